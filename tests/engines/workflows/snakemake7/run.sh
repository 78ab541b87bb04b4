exec snakemake --tes "$TES_URL" --jobs 4 --container-image snakemake/snakemake:v7.32.4 "$1.txt"
