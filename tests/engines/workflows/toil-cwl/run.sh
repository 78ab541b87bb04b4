export TOIL_APPLIANCE_SELF=quay.io/ucsc_cgl/toil:7.0.0-d569ea5711eb310ffd5703803f7250ebf7c19576-py3.11

exec toil-cwl-runner --batchSystem tes --tesEndpoint "$TES_URL" --jobStore "file:$PWD/jobstore" \
    --no-container --retryCount 0 --disableProgress --outdir "$PWD" "$1.cwl" --words words.txt
