"""What feeds the estimates: data servers, sizes, places, outputs of earlier tasks, instances' own estimates."""
