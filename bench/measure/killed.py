"""Kill a broker with SIGKILL and wait until nobody knows it any more; or wait until it is known again.

    python killed.py ZOOKEEPER BROKER kill --pid PID
    python killed.py ZOOKEEPER BROKER back

Needs kazoo. What is between the two, and the start itself, belongs to whoever runs this: brokers are started in different ways. "back" waits for
/brokers/ids/BROKER, which a broker writes when all of its logs are loaded, and prints the time at which it was there (seconds since 1970).
"""
import argparse
import os
import signal
import time

from kazoo.client import KazooClient

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("zookeeper")
parser.add_argument("broker")
parser.add_argument("what", choices=("kill", "back"))
parser.add_argument("--pid", type=int)
args = parser.parse_args()
zookeeper = KazooClient(args.zookeeper)
zookeeper.start()
path = f"/brokers/ids/{args.broker}"
if args.what == "kill":
    os.kill(args.pid, signal.SIGKILL)
deadline = time.monotonic() + 300
while (zookeeper.exists(path) is None) == (args.what == "back"):
    if time.monotonic() > deadline:
        raise SystemExit(f"broker {args.broker}: {args.what} has not come in 300 s")
    time.sleep(0.005)
print(f"{args.what} at={time.time():.3f}")
