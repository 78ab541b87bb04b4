exec python workflow.py "file:$PWD/jobstore" --retryCount 0 --disableProgress --goal "$1"
