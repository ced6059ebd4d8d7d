"""One scenario with every key that there is, each at something else than its default."""

TEXT = """\
# Question: is every key read, written, and read again?
epoch: 2026-03-01T00:00:00Z
seed: 7
quotas: aws
things: 10000
fleet:
  - cohort: canaries
    things: 100
    work:
      duration: {distribution: gamma, mean: 90s, shape: 2, max: 1h}
      steps: 4
      step_timeout: 10m
    agent: device-client
    presence: always
  - cohort: gateways
    weight: 3
    attributes: {region: eu, hardware: {rev-a: 70%, rev-b: 30%}}
    time_zone: Europe/Berlin
    work:
      steps:
        - name: download
          duration: {distribution: weibull, scale: 60s, shape: 1.5, min: 1s}
          timeout: 10m
        - {name: install, duration: {distribution: triangular, low: 1s, mode: 2s, high: 9s}}
        - duration:
            distribution: mixture
            of:
              - {weight: 90%, duration: 5s}
              - {weight: 10%, duration: {distribution: exponential, mean: 1m}}
    outcome:
      fail: {share: [30%, 10%], reasons: {bad-signature: 3, no-space: 1}, step: 2}
      reject: {share: 1%, reasons: {battery: 100%}}
      hang: {share: 2%, step: 3, away: 2h}
      vanish: {share: 1%, step: 1, away: {distribution: exponential, mean: 6h}}
      reboot: {share: [5%], step: 2, away: 90s}
      slow: {share: 5%, factor: 4}
      duplicated: 1%
      out_of_order: 2%
    agent:
      preset: naive-script
      start: notify-next
      poll_every: 1m
      expected_version: true
      on_conflict: abandon
      parallel: 2
      progress: 30s
      step_timer: once
      reply_timeout: 5s
      backoff: {base: 1s, maximum: 8s}
      tries: 5
      second: 10%
    presence: {daily: {from: "08:00", until: "18:00:30", spread: 30m}}
    network:
      latency: 1s
      jitter: {distribution: uniform, low: 0s, high: 1s}
      lost_requests: 1%
      lost_replies: 2%
      duplicated: 3%
      reordered: 4%
      disconnects: 2h
      clock_skew: 3s
      reply_timeout: 7s
      backoff: {base: 2s}
  - cohort: lamps
    weight: 1
    attributes: {region: {us: 2, eu: 1}}
    work: {duration: {distribution: empirical, values: [1s, 5s, 9s]}, steps: 2}
    presence: {hourly: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 50%]}
    outcome: {slow: 3%, fail: [5%, 1%]}
  - cohort: cars
    weight: 0.5
    work:
      duration:
        distribution: empirical
        histogram: [{up_to: 1s, weight: 1}, {up_to: 9s, weight: 2}]
    presence: {on: 8h, off: {distribution: lognormal, median: 8h, sigma: 1}}
  - cohort: ships
    weight: 0.5
    work: {duration: {distribution: constant, value: 1s}}
    presence: {schedule: [{from: 0s, until: 2h}, {from: 3h, until: 4h}]}
    agent: {progress: none}
batches:
  - {name: rev-b-flash, where: {hardware: rev-b}, share: 40%, outcome: {fail: 80%}}
  - {name: everywhere, share: 1%, outcome: {reject: 80%}}
network:
  latency: {distribution: lognormal, median: 40ms, sigma: 0.4}
  jitter: 5ms
  lost_replies: 1%
  lost_requests: 2%
  duplicated: 1%
  reordered: 1%
  disconnects: {distribution: exponential, mean: 6h}
  clock_skew: {distribution: uniform, low: 0s, high: 1m}
  reply_timeout: 8s
  backoff: {base: 500ms, maximum: 30s}
  partitions: [{name: eu-down, where: {region: [eu, us]}, share: 90%, at: 1h, lasts: 30m}]
  storms: [{name: tower, at: 2h, within: 10s, where: {region: eu}, share: 50%}]
jobs:
  - {create: {document: {a: null}}, where: {cohort: gateways}, share: 50%}
  - create: {jobId: second, document: {}, targetSelection: CONTINUOUS}
    at: 30m
    work: {duration: 5s}
    outcome: {fail: 1%}
service:
  - {name: lossy-hour, lose_replies: 5%, at: 1h, lasts: 1h}
  - {throttle: 50%, at: 2h, lasts: 10m}
  - {lose_requests: 5%}
  - {duplicate_replies: 1%}
  - {cancel_job: second, force: true, at: 3h}
  - {cancel_job: true, at: 3h}
  - {delete_job: second, force: true, at: 4h}
  - update_job: {description: new, jobExecutionsRolloutConfig: {maximumPerMinute: 50}}
    job: second
  - {second_writer: {where: {region: eu}, share: 10%}, at: 10m, every: 5m, lasts: 1h}
  - {disconnect: true, at: 1h, every: 1h}
  - {outage: 5m, at: 2h}
  - {join: {where: {cohort: lamps}}, job: second, at: 1h}
  - {leave: {share: 10%}, job: second, at: 1h}
  - {cancel_execution: {where: {cohort: lamps}}, force: true, at: 1h}
load:
  ramp: 100/s
  time_scale: 60
  until: 12h
  max_slip: 100ms
  budget: 200/s
  updates:
    {arrivals: sine, rate: 5/s, to: 8/s, period: 1h, spacing: poisson, from: 1m, until: 11h}
expect:
  succeeded: ">= 10%"
  "succeeded[gateways]": ">= 5%"
"""
