"""jobfleet: rehearse and load-test AWS IoT Jobs rollouts.

The house in reading order (a module imports only from what stands above it here):

    errors.py        every exception we raise
    jobs/            the Jobs service as a pure state machine: configuration, schedule, model,
                     messages, execution, rollout, registry, board, ledger, lifecycle, enrolment,
                     templates, control_plane, listings, data_plane, service, wire, rest
    mqtt/            MQTT packets and topic filters, without IO
    clock.py         the virtual event loop
    behaviour.py     cohorts and chance: work plans, outcomes, network faults
    results.py       one flat record per exchange
    host.py          the one owner of a service on a loop
    transports/      the things' side of the network
    endpoints/       the service's side of the network
    thing.py         one virtual thing
    fleet.py         a population of them
    scenario.py      the YAML file
    report/          records → summary → text and JSON
    run.py           where everything meets
    locust_bridge.py Locust measures a live run
    cli/             the command line
"""
