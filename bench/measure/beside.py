"""What a producer of one record at a time feels: for the measures of work beside it."""
import time

from confluent_kafka import Producer


def one_at_a_time(bootstrap, topic, enough):
    """Seconds of each record until ``enough`` says so, in order of size."""
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 0})
    took = []
    while not enough(took):
        began = time.perf_counter()
        producer.produce(topic, b"x" * 100, partition=0)
        if producer.flush(60):
            raise SystemExit("a record was not acknowledged in 60 s")
        took.append(time.perf_counter() - began)
    return sorted(took)


def p99(took):
    """In microseconds."""
    return took[int(len(took) * 0.99)] * 1e6
