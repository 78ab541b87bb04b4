export TOIL_APPLIANCE_SELF=quay.io/ucsc_cgl/toil:7.0.0-d569ea5711eb310ffd5703803f7250ebf7c19576-py3.11

exec python workflow.py "file:$PWD/jobstore" --batchSystem tes --tesEndpoint "$TES_URL" \
    --retryCount 0 --disableProgress --goal "$1"
