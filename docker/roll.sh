#!/bin/sh
# Replaces every instance by one of the image that compose.yaml names now, without a gap. For each role new
# instances start beside the old ones; when they are healthy, the old ones are told to end.
#
#     TAG=0.2.0 docker compose -f docker/compose.yaml build api
#     TAG=0.2.0 docker/roll.sh
set -eu
cd "$(dirname "$0")/.."

compose() { docker compose -f docker/compose.yaml "$@"; }

# Before any new instance, which would refuse the older schema; the old ones work with the newer one.
compose run --rm migrate

# RabbitMQ reads its users and their rights as it starts; the job `secrets` has just written those of this version.
compose exec -T rabbitmq rabbitmqctl import_definitions /run/secrets/definitions.json

for role in api stream; do
    old=$(compose ps --quiet "$role")
    count=$(echo "$old" | wc -w)
    echo "$role: $count to replace"
    compose up --detach --no-deps --no-recreate --wait --scale "$role=$((2 * count))" "$role"
    for container in $old; do
        # As long as stop_grace_period, within which an instance finishes what it accepted.
        docker stop -t 30 "$container"
        docker rm "$container"
    done
done
