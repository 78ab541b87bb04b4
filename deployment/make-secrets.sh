#!/bin/sh
# Makes the passwords of docker-compose.yaml in deployment/secrets, or in the folder that is named; keeps what is there.
#
# The files can be read by all, the folder by its owner alone: containers, which have users of their own, are given the
# files, and nobody on this machine gets through the folder.
set -eu
umask 077
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
chmod 700 "$folder"

random() {
    head -c 32 /dev/urandom | base64 | tr -d '=\n' | tr '+/' 'ab'
}

# keep NAME: writes standard input to a file, unless it is there already.
keep() {
    if [ -e "$folder/$1" ]; then
        cat >/dev/null
    else
        cat >"$folder/$1.new"
        chmod 444 "$folder/$1.new"
        mv "$folder/$1.new" "$folder/$1"
    fi
}

for name in node-token mongodb-root-password mongodb-password rabbitmq-password operator-token mongodb-keyfile; do
    random | keep "$name"
done
password() { cat "$folder/$1"; }
keep rabbitmq-users.conf <<END
default_user = protes
default_pass = $(password rabbitmq-password)
END
keep broker-url <<END
amqp://protes:$(password rabbitmq-password)@rabbitmq:5672//
END
keep store-url <<END
mongodb://protes:$(password mongodb-password)@mongodb:27017/protes?replicaSet=rs0
END
keep gateway-secrets.yaml <<END
custom:
  server:
    operator_token: "$(password operator-token)"
END
printf '*\n' | keep .gitignore
echo "the secrets are in $folder; the operator's token is in $folder/operator-token"
