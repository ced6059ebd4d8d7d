"""``jobfleet iot-jobs-data``: the AWS CLI's commands of that name, by version 2's rules."""
