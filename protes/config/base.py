"""What all sections of the settings share: units, money, places, and the model they are made of."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0)]
Money = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Rate = Annotated[float, Field(gt=0, le=1e15)]
Zone = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+(:[A-Za-z0-9-]+)?$")]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
WebOrigin = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$")]
"""An origin as browsers send it. Patterns and `*` are not: what they let in would be more than what is read."""


class Section(BaseModel):
    """Base of all sections: frozen, closed, and silent about values that do not fit (they may be secrets)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
