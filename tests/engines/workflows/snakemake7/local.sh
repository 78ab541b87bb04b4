exec snakemake --cores 2 "$1.txt"
