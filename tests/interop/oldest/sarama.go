// Sarama, told that its broker is an old one; see test_oldest_clients.py.

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

const nowMs = 1700000000000

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	bootstrap, what := []string{os.Args[1]}, os.Args[3]
	topics, codecs := strings.Split(os.Args[4], ","), strings.Split(os.Args[5], ",")
	count, err := strconv.Atoi(os.Args[6])
	check(err)
	config := sarama.NewConfig()
	config.ApiVersionsRequest = false
	config.Version, err = sarama.ParseKafkaVersion(os.Args[2])
	check(err)
	if what == "produce" {
		for i, topic := range topics {
			produce(bootstrap, *config, topic, codecs[i], count)
		}
		return
	}
	consumer, err := sarama.NewConsumer(bootstrap, config)
	check(err)
	for _, topic := range topics {
		partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
		check(err)
		for number := 0; number < count; number++ {
			select {
			case record := <-partition.Messages():
				when := int64(-1)
				if !record.Timestamp.IsZero() {
					when = record.Timestamp.UnixMilli()
				}
				told, err := json.Marshal([]any{
					record.Topic, record.Offset, when, text(record.Key), text(record.Value)})
				check(err)
				fmt.Println(string(told))
			case <-time.After(20 * time.Second):
				check(fmt.Errorf("%d records of %s are missing", count-number, topic))
			}
		}
		check(partition.Close())
	}
	check(consumer.Close())
}

func produce(bootstrap []string, config sarama.Config, topic, codec string, count int) {
	check(config.Producer.Compression.UnmarshalText([]byte(codec)))
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Retry.Max = 0
	config.Producer.Partitioner = sarama.NewManualPartitioner
	producer, err := sarama.NewSyncProducer(bootstrap, &config)
	check(err)
	var messages []*sarama.ProducerMessage
	for number := 0; number < count; number++ {
		message := &sarama.ProducerMessage{Topic: topic, Timestamp: time.UnixMilli(nowMs + int64(number))}
		if number != 3 {
			message.Key = sarama.StringEncoder(fmt.Sprintf("k%d", number))
		}
		if number != 5 {
			message.Value = sarama.StringEncoder(fmt.Sprintf("value-%d-%s", number, strings.Repeat("x", number)))
		}
		messages = append(messages, message)
	}
	check(producer.SendMessages(messages))
	for number, message := range messages {
		if message.Offset != int64(number) {
			check(fmt.Errorf("offset %d for %d", message.Offset, number))
		}
	}
	check(producer.Close())
}

func text(data []byte) any {
	if data == nil {
		return nil
	}
	return string(data)
}
