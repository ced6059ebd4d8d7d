#!/usr/bin/env bash
# An agent out of the AWS CLI: what a device without an SDK can do, over HTTPS.
#
#     cli_agent.sh ENDPOINT_URL THING
#
# `jobfleet iot-jobs-data` is the same command, and eight times as fast to start: set AWS to use it
# (AWS="jobfleet iot-jobs-data"). Each report expects a version; after a refusal, and when no answer
# came, the execution is looked up before anything else is said.
set -u
url=$1 thing=$2
export AWS_ACCESS_KEY_ID=${AWS_ACCESS_KEY_ID:-x} AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY:-x}
export AWS_DEFAULT_REGION=${AWS_DEFAULT_REGION:-us-east-1} AWS_MAX_ATTEMPTS=1 AWS_PAGER=

jobs() { ${AWS:-aws iot-jobs-data} "$@" --thing-name "$thing" --endpoint-url "$url" --output text; }

# Report until the service has it: 0 when it has, 1 when the execution is over. Sets $version.
report() { # status step
    while ! jobs update-job-execution --job-id "$job" --status "$1" --expected-version "$version" \
        --status-details "step=$2" >/dev/null 2>refusal; do
        grep -o '([A-Za-z]*)' refusal || echo "no answer"
        grep -q InvalidRequest refusal || sleep 1
        read -r status found step < <(jobs describe-job-execution --job-id "$job" 2>/dev/null \
            --query 'execution.[status, versionNumber, statusDetails.step]') || continue
        # Mine, one version on: an earlier try had been taken.
        [ "$status $found $step" = "$1 $((version + 1)) $2" ] && { version=$found; return 0; }
        [ "$status" = IN_PROGRESS ] || return 1
        version=$found
    done
    version=$((version + 1))
}

cd "$(mktemp -d)" || exit 1
while :; do
    read -r job version < <(jobs start-next-pending-job-execution 2>/dev/null \
        --query 'execution.[jobId, versionNumber]') || { sleep 1; continue; }
    [ "$job" = None ] && { sleep 1; continue; }
    echo "$job: begins at version $version"
    sleep 1 && report IN_PROGRESS 1 && sleep 1 && report SUCCEEDED 2 &&
        echo "$job: succeeded at version $version"
done
