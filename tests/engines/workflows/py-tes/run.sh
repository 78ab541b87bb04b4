exec python workflow.py "$1"
