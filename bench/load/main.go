// Many connections at once: what a broker costs for each, and what they see.
//
//	load -bootstrap HOST:PORT,... -mode produce|idle|tail [-clients 100] [-seconds 10] ...
//
// produce: each client has a connection of its own and sends one record at a time, idempotent, acks=all.
// idle: each client has asked for metadata once and keeps its connection.
// tail: each client reads one topic from its end while one producer sends; a record carries its time.
//
// Prints one line of name=value. Every record is counted; a wrong count ends it with exit code 1.
package main

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"net"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	bootstrap  = flag.String("bootstrap", "127.0.0.1:9092", "HOST:PORT,...")
	mode       = flag.String("mode", "produce", "produce, idle, tail or consume")
	topic      = flag.String("topic", "load", "made if it is missing")
	clients    = flag.Int("clients", 100, "connections, or consumers")
	seconds    = flag.Int("seconds", 10, "how long")
	size       = flag.Int("size", 100, "bytes of a record")
	partitions = flag.Int("partitions", 12, "of the topic")
	rf         = flag.Int("rf", 3, "replicas of each partition")
	records    = flag.Int("records", 0, "that consume reads from the start of the topic")
	rate       = flag.Int("rate", 2000, "records a second of the producer beside the consumers")
)

func fail(text string, err any) {
	fmt.Fprintln(os.Stderr, "load:", text, err)
	os.Exit(1)
}

func main() {
	flag.Parse()
	switch *mode {
	case "produce":
		createTopic()
		produce()
	case "idle":
		idle()
	case "tail":
		createTopic()
		tail()
	case "consume":
		consume()
	default:
		fail("no such mode:", *mode)
	}
}

func newClient(options ...kgo.Opt) *kgo.Client {
	options = append(options, kgo.SeedBrokers(strings.Split(*bootstrap, ",")...))
	client, err := kgo.NewClient(options...)
	if err != nil {
		fail("client:", err)
	}
	return client
}

func createTopic() {
	client := newClient()
	defer client.Close()
	one := "1"
	settings := map[string]*string{"min.insync.replicas": &one}
	_, err := kadm.NewClient(client).CreateTopic(context.Background(), int32(*partitions), int16(*rf), settings, *topic)
	if err != nil && !strings.Contains(err.Error(), "TOPIC_ALREADY_EXISTS") {
		fail("topic:", err)
	}
	time.Sleep(time.Second)
}

func newProducer() *kgo.Client {
	return newClient(kgo.ProducerLinger(0), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
}

func quantile(sorted []time.Duration, q float64) int64 {
	return sorted[int(float64(len(sorted)-1)*q)].Microseconds()
}

func report(counted string, latencies []time.Duration, more string) {
	if len(latencies) == 0 {
		fail("nothing came", "")
	}
	sort.Slice(latencies, func(a, b int) bool { return latencies[a] < latencies[b] })
	fmt.Printf("%s clients=%d %s_s=%.0f p50_us=%d p99_us=%d p999_us=%d %s\n", *mode, *clients, counted,
		float64(len(latencies))/float64(*seconds), quantile(latencies, .5), quantile(latencies, .99), quantile(latencies, .999), more)
}

func produce() {
	payload := make([]byte, *size)
	each := make([][]time.Duration, *clients)
	var ready, done sync.WaitGroup
	ready.Add(*clients)
	begin := make(chan time.Time)
	connecting := time.Now()
	for i := range *clients {
		done.Go(func() {
			client := newProducer()
			defer client.Close()
			send := func() {
				record := &kgo.Record{Topic: *topic, Partition: int32(i % *partitions), Value: payload}
				if err := client.ProduceSync(context.Background(), record).FirstErr(); err != nil {
					fail("produce:", err)
				}
			}
			send()
			ready.Done()
			end := <-begin
			for start := time.Now(); start.Before(end); start = time.Now() {
				send()
				each[i] = append(each[i], time.Since(start))
			}
		})
	}
	ready.Wait()
	connected := time.Since(connecting)
	end := time.Now().Add(time.Duration(*seconds) * time.Second)
	for range *clients {
		begin <- end
	}
	done.Wait()
	var all []time.Duration
	for _, latencies := range each {
		all = append(all, latencies...)
	}
	report("requests", all, fmt.Sprintf("connect_ms=%d", connected.Milliseconds()))
}

// One ApiVersions v0 request, so that a broker has served each connection once.
var apiVersions = []byte{0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255}

func idle() {
	servers := strings.Split(*bootstrap, ",")
	var wait sync.WaitGroup
	var open atomic.Int64
	for i := range *clients {
		wait.Go(func() {
			connection, err := net.Dial("tcp", servers[i%len(servers)])
			if err != nil {
				fail("connect:", err)
			}
			length := make([]byte, 4)
			if _, err = connection.Write(apiVersions); err == nil {
				_, err = connection.Read(length)
			}
			if err != nil {
				fail("ask:", err)
			}
			answer := make([]byte, binary.BigEndian.Uint32(length))
			for read := 0; read < len(answer); {
				n, err := connection.Read(answer[read:])
				if err != nil {
					fail("answer:", err)
				}
				read += n
			}
			open.Add(1)
		})
		if i%200 == 199 {
			wait.Wait()
		}
	}
	wait.Wait()
	fmt.Printf("idle clients=%d open=%d\n", *clients, open.Load())
	os.Stdin.Read(make([]byte, 1)) // until whoever started this has looked
}

func tail() {
	each := make([][]time.Duration, *clients)
	ctx, cancel := context.WithCancel(context.Background())
	var ready, done sync.WaitGroup
	ready.Add(*clients)
	var sent atomic.Int64
	got := make([]int64, *clients)
	for i := range *clients {
		done.Go(func() {
			client := newClient(kgo.ConsumeTopics(*topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
				kgo.FetchMaxWait(500*time.Millisecond))
			defer client.Close()
			first := true
			for {
				fetches := client.PollFetches(ctx)
				if ctx.Err() != nil {
					return
				}
				now := time.Now()
				fetches.EachRecord(func(record *kgo.Record) {
					if len(record.Value) < 8 {
						if first {
							first = false
							ready.Done()
						}
						return
					}
					got[i]++
					each[i] = append(each[i], now.Sub(time.Unix(0, int64(binary.BigEndian.Uint64(record.Value)))))
				})
			}
		})
	}
	producer := newProducer()
	defer producer.Close()
	greet := &kgo.Record{Topic: *topic, Partition: 0, Value: []byte("first")}
	if err := producer.ProduceSync(ctx, greet).FirstErr(); err != nil {
		fail("produce:", err)
	}
	ready.Wait()
	end := time.Now().Add(time.Duration(*seconds) * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := int32(0); time.Now().Before(end); {
		<-tick.C
		for range *rate / 100 {
			value := make([]byte, *size)
			binary.BigEndian.PutUint64(value, uint64(time.Now().UnixNano()))
			n++
			producer.Produce(ctx, &kgo.Record{Topic: *topic, Partition: n % int32(*partitions), Value: value}, func(_ *kgo.Record, err error) {
				if err != nil {
					fail("produce:", err)
				}
				sent.Add(1)
			})
		}
	}
	if err := producer.Flush(ctx); err != nil {
		fail("flush:", err)
	}
	time.Sleep(2 * time.Second)
	cancel()
	done.Wait()
	var all []time.Duration
	missing := int64(0)
	for i, latencies := range each {
		all = append(all, latencies...)
		missing += sent.Load() - got[i]
	}
	if missing != 0 {
		fail("records that consumers did not get:", missing)
	}
	report("records", all, fmt.Sprintf("sent=%d", sent.Load()))
}

// Reads a topic from its start; the time is from the first record to the last.
func consume() {
	client := newClient(kgo.ConsumeTopics(*topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer client.Close()
	var began time.Time
	got, bytes := 0, 0
	for got < *records {
		fetches := client.PollFetches(context.Background())
		if began.IsZero() {
			began = time.Now()
		}
		fetches.EachRecord(func(record *kgo.Record) {
			got++
			bytes += len(record.Value)
		})
	}
	seconds := time.Since(began).Seconds()
	fmt.Printf("consume records=%d records_s=%.0f MB_s=%.1f\n", got, float64(got)/seconds, float64(bytes)/seconds/1e6)
}
