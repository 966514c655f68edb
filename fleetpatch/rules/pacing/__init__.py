"""How fast one cluster may be asked: the pure part of the pacer, driven by what the server shows.

| module | decides |
|---|---|
| `signs` | what a reply says about how the server is doing |
| `bucket` | a token bucket: for the plan's rate, and for the one that was found |
| `rounds` | when enough answers have come for a judgement, and what they amount to |
| `baseline` | the latency without a queue, and when to learn it again |
| `patience` | whether a queue at the server pays |
| `latency` | requests in flight, by latency |
| `wall` | requests in flight, by refusals |
| `tolerance` | how many refusals are the server's way, whatever the rate |
| `refusals` | requests a second, by refusals |
| `pause` | Retry-After: all stop at once, and come back one by one |
| `governor` | all of it together: may the next request go now, and what holds it back |

Time is an argument everywhere, in seconds of a monotonic clock. What does not belong here: waiting,
and the line of those who wait (`fleetpatch.engine.pacer`).
"""
