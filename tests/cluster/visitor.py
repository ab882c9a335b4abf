"""
A visitor of the shop, in one file that a pod runs by `python -c`: reads lists over connections that it keeps, until it
is told to end, and prints how many requests were answered and how the others failed.

It tries no request again. A connection that its last answer ended is opened anew before the next request.
"""

import http.client
import json
import signal
import sys
import threading

CONNECTIONS = 4


def read(host: str, port: int, path: str, over: threading.Event, tally: dict[str, int]) -> None:
    """Read one page again and again over one connection."""
    connection = http.client.HTTPConnection(host, port, timeout=30)
    while not over.is_set():
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            said = "answered" if answer.status in (200, 401) else str(answer.status)
        except (OSError, http.client.HTTPException) as error:
            said = type(error).__name__
            connection.close()
        tally[said] = tally.get(said, 0) + 1
        over.wait(0.02)
    connection.close()


def main(host: str, port: str, path: str) -> None:
    """Read until SIGTERM; print the counts of all connections together."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    tallies: list[dict[str, int]] = [{} for _ in range(CONNECTIONS)]
    threads = [threading.Thread(target=read, args=(host, int(port), path, over, tally)) for tally in tallies]
    for thread in threads:
        thread.start()
    print("reading", flush=True)
    over.wait()
    for thread in threads:
        thread.join()
    every = {said for tally in tallies for said in tally}
    print(json.dumps({said: sum(tally.get(said, 0) for tally in tallies) for said in every}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
