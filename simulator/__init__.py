"""jobfleet: rehearse and load-test AWS IoT Jobs rollouts.

The house in reading order (a module imports only from what stands above it here):

    errors.py        every exception we raise
    refusals.py      why a connection did not come about, in words
    exit_codes.py    what the exit code of a command means
    terminal.py      what a stream can show
    jobs/            the Jobs service as a pure state machine: configuration, schedule, model,
                     messages, execution, rollout, registry, board, agenda, ledger, lifecycle,
                     enrolment, templates, control_plane, listings, data_plane, service, topics,
                     wire, rest
    mqtt/            MQTT packets, topic filters and what a broker keeps, without IO
    service_thread.py a loop in a thread of somebody's test
    sdk_client.py    clients of the AWS SDK for a service of ours
    stepped_clock.py time that stands still until somebody moves it
    timers.py        what is due when
    errand.py        a coroutine that the virtual loop drives itself; live_errand.py that
                     a real loop's callbacks do
    clock.py         the virtual event loop
    garbage.py       the garbage collector's manners
    today.py         the calendar
    machine.py       facts of the machine
    behaviour/       cohorts and chance: distributions, selections, agents, presence, network,
                     cohorts, plans, incidents
    results.py       one flat record per exchange
    generator.py     how far the generator is behind: loop lag, slip, CPU
    executions.py    what became of executions, in columns
    snapshots.py     one look at a run that goes on; run_metrics.py the same for Prometheus
    report/summary.py what ``summary.json`` holds
    expectations.py  which number, of what part of a run, and what it should be
    allotment.py     which worker has which things
    open_files.py    how many connections a process may have
    certificates.py  an authority, a server's certificate and devices'
    pacing.py        whose turn it is to report, and who may send a request
    awaited.py       a reply that takes its thing on at once
    poller.py       many TCP connections on one loop, a share of them at a time
    tcp_stream.py   one of them
    mqtt_client.py   one MQTT connection as a client
    interlock.py     whose host a load run may go to
    provisioning/    things, certificates, policy and group in an AWS account: plan, ledger,
                     account, cost, ownership, making, cleaning
    targets.py       what a live run is aimed at: URL, TLS, signatures
    aws_target.py    where AWS itself is, as a target
    websocket_client.py the client's end of MQTT over WebSocket
    watching.py      a service's job events, followed
    host.py          the one owner of a service on a loop
    director.py      what happens to a service: incidents at their times
    sample.py        the job of the AWS CLI page's example
    transports/      the things' side of the network
    endpoints/       the service's side of the network
    world.py         what surrounds a thing
    assignment.py    an execution that a thing works on
    attribution.py   why a version is not the expected one
    caller.py        a thing's exchanges: sent, recorded, sent again
    worker.py        how it works on an execution
    thing.py         one virtual thing
    finders.py       agents that come by their executions otherwise
    attendance.py    who calls things away and back
    standstill.py    what keeps a rehearsal from standing still
    fleet.py         a population of them
    campaign.py      the jobs of a scenario, one after another
    scenario/        the YAML file
    report/          what a service says at the end (executions) and records, gathered (evidence),
                     counted (counts, timeouts, budget, timeline), folded into the summary (fold),
                     judged (verdict), written (text, junit, github, tap)
    run_directory.py the folder that a run leaves behind
    finished_run.py  that folder, read back
    report/page/     that folder as a page: bins (percentiles of millions), drawing (what a chart
                     is), the charts (rollout, endings, conflicts, latency, lag, troubles), verdict
    tables.py        its exchanges, executions and things as tables; table_files.py as Parquet, CSV
    compare/         two finished runs beside each other: statistics, samples, measures, verdict
    starters.py      the scenarios that come with the package
    export.py        a rehearsal's executions as AWS prints them
    fit/             observed executions → a scenario whose fleet behaves like them
    resolved.py      a scenario settled, and what is built of it for a run
    run.py           where everything meets
    live_view.py     a run on a terminal while it goes on
    explain/         what is to be expected of a scenario, by arithmetic
    sweep/           a grid of settings rehearsed with many seeds
    gate.py          many scenarios as one gate of a CI job
    shrink.py        the fewest things that still fail
    playbook.py      a scenario played to a service
    ports.py         listening sockets
    serve.py         the service on real ports
    local_settings.py what a test may ask of its service
    sightings.py     what it sees of it
    background.py    the same in a thread of somebody's test
    crowd.py         other things beside the agent that is tested there
    pytest_plugin.py fixtures for that
    trial.py         the verdict on somebody's agent
    trying.py        that agent as processes
    embedded.py      the same in a process of its own
    live.py          the fleet on a loop in a native thread
    locust_feed.py   records into Locust's tables
    live_options.py  what can be checked before a live run
    live_jobs.py     its jobs at the service
    live_watchdog.py what ends a run that would not end by itself
    live_share.py    the things of one process, and a worker's duties
    live_member.py   what a master knows of one worker
    live_crew.py     who the things are with, and what a master knows of its workers
    rollout_view.py  snapshots as what a page draws
    live_run.py      one live run from its beginning to its summary
    locust_rollout.py the tab of Locust's web UI that draws it (web/)
    live_metrics.py  its door for Prometheus
    locust_bridge.py Locust measures it
    contention.py    how often writers with optimistic concurrency conflict, in theory
    stage.py         a service, a fleet and a job for HTTP load
    locust_http.py   Locust's users over HTTP; locust_contention.py, locust_control_plane.py
    locust_shapes.py Locust's users over time, from a scenario's ramp
    aws_cli/         the AWS CLI's iot-jobs-data commands
    cli/             the command line
"""
