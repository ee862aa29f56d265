// Writes records and reads them back in a group, over TLS and a login: franz-go.
//
//	secure BOOTSTRAP TOPIC COUNT
//
// The variables CA, CERTIFICATE and KEY name files in PEM. MECHANISM is empty, SCRAM-SHA-256,
// SCRAM-SHA-512 or OAUTHBEARER, with NAME and PASSWORD, or TOKEN. It gives up after PATIENCE seconds. Prints the values as one line of JSON.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func options(bootstrap, topic string) []kgo.Opt {
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(must(os.ReadFile(os.Getenv("CA"))))
	config := &tls.Config{RootCAs: trusted}
	if certificate := os.Getenv("CERTIFICATE"); certificate != "" {
		config.Certificates = []tls.Certificate{must(tls.LoadX509KeyPair(certificate, os.Getenv("KEY")))}
	}
	found := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(bootstrap, ",")...),
		kgo.DialTLSConfig(config),
		kgo.DefaultProduceTopic(topic),
		kgo.ConsumeTopics(topic),
		kgo.ConsumerGroup("g-" + topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}
	login := scram.Auth{User: os.Getenv("NAME"), Pass: os.Getenv("PASSWORD")}
	switch os.Getenv("MECHANISM") {
	case "SCRAM-SHA-256":
		found = append(found, kgo.SASL(login.AsSha256Mechanism()))
	case "SCRAM-SHA-512":
		found = append(found, kgo.SASL(login.AsSha512Mechanism()))
	case "OAUTHBEARER":
		found = append(found, kgo.SASL(oauth.Auth{Token: os.Getenv("TOKEN")}.AsMechanism()))
	}
	return found
}

func main() {
	count := must(strconv.Atoi(os.Args[3]))
	client := must(kgo.NewClient(options(os.Args[1], os.Args[2])...))
	defer client.Close()
	patience, err := strconv.Atoi(os.Getenv("PATIENCE"))
	if err != nil {
		patience = 30
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(patience)*time.Second)
	defer cancel()
	for number := range count {
		record := &kgo.Record{Value: []byte(strconv.Itoa(number))}
		must(0, client.ProduceSync(ctx, record).FirstErr())
	}
	values := []string{}
	for len(values) < count {
		fetches := client.PollFetches(ctx)
		must(0, fetches.Err())
		fetches.EachRecord(func(record *kgo.Record) { values = append(values, string(record.Value)) })
	}
	must(0, client.CommitUncommittedOffsets(ctx))
	fmt.Println(string(must(json.Marshal(values))))
}
