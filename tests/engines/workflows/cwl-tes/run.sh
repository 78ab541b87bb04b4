exec cwl-tes --tes "$TES_URL" --tmpdir-prefix "$PWD/tmp/" --tmp-outdir-prefix "$PWD/out/" --outdir "$PWD" \
    "$1.cwl" --words words.txt
