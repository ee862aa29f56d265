// A busy producer that tells when it heard nothing: franz-go. See librdkafka.py for what it prints.
//
//	franz-go BOOTSTRAP TOPIC PARTITIONS [--trace]
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const silence = 40 * time.Millisecond

var out sync.Mutex

type trace struct{}

func (trace) Level() kgo.LogLevel { return kgo.LogLevelDebug }

func (trace) Log(_ kgo.LogLevel, message string, pairs ...any) {
	out.Lock()
	defer out.Unlock()
	fmt.Printf("trace %d %s %s\n", time.Now().UnixMilli(), message, strings.ReplaceAll(fmt.Sprint(pairs...), "\n", " "))
}

func main() {
	partitions, err := strconv.Atoi(os.Args[3])
	if err != nil {
		panic(err)
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(os.Args[1], ",")...),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(5 * time.Millisecond),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}
	if len(os.Args) > 4 && os.Args[4] == "--trace" {
		options = append(options, kgo.WithLogger(trace{}))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		panic(err)
	}
	var lock sync.Mutex
	heard := map[int32]time.Time{}
	acknowledged, failed := 0, 0
	delivered := func(record *kgo.Record, err error) {
		lock.Lock()
		defer lock.Unlock()
		now := time.Now()
		if err != nil {
			failed++
			fmt.Printf("trace %d not delivered: %v\n", now.UnixMilli(), err)
			return
		}
		acknowledged++
		last, known := heard[record.Partition]
		heard[record.Partition] = now
		if !known && len(heard) == partitions {
			fmt.Println("ready")
		}
		if known && now.Sub(last) >= silence {
			fmt.Printf("silence %d %d %d\n", record.Partition, last.UnixMilli(), now.UnixMilli())
		}
	}
	stop := make(chan struct{})
	var producing sync.WaitGroup
	producing.Add(1)
	go func() {
		defer producing.Done()
		value := make([]byte, 200)
		for sent := 0; ; {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
			for i := 0; i < 20; i, sent = i+1, sent+1 {
				record := &kgo.Record{Topic: os.Args[2], Partition: int32(sent % partitions), Value: value}
				client.Produce(context.Background(), record, delivered)
			}
		}
	}()
	io.Copy(io.Discard, os.Stdin)
	close(stop)
	producing.Wait()
	client.Flush(context.Background())
	fmt.Printf("acknowledged=%d failed=%d\n", acknowledged, failed)
}
