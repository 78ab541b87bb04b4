exec cwltool --no-container --outdir "$PWD" "$1.cwl" --words words.txt
