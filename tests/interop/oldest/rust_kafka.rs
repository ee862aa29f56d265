// The crate kafka; see test_oldest_clients.py for what it is asked.

use kafka::client::{Compression, FetchPartition, KafkaClient, ProduceMessage, RequiredAcks};
use std::time::Duration;

fn text(data: &[u8]) -> String {
    format!("\"{}\"", std::str::from_utf8(data).unwrap())
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let topics: Vec<&str> = arguments[4].split(',').collect();
    let codecs: Vec<&str> = arguments[5].split(',').collect();
    let count: usize = arguments[6].parse().unwrap();
    let mut client = KafkaClient::new(vec![arguments[1].clone()]);
    client.load_metadata_all().unwrap();
    if arguments[3] == "produce" {
        for (topic, codec) in topics.iter().zip(codecs) {
            client.set_compression(match codec {
                "gzip" => Compression::GZIP,
                "snappy" => Compression::SNAPPY,
                _ => Compression::NONE,
            });
            let texts: Vec<(String, String)> = (0..count)
                .map(|n| (format!("k{}", n), format!("value-{}-{}", n, "x".repeat(n))))
                .collect();
            let messages = texts.iter().enumerate().map(|(n, (key, value))| {
                let key = if n == 3 { None } else { Some(key.as_bytes()) };
                let value = if n == 5 { None } else { Some(value.as_bytes()) };
                ProduceMessage::new(topic, 0, key, value)
            });
            let told = client
                .produce_messages(RequiredAcks::All, Duration::from_secs(10), messages)
                .unwrap();
            let offset = *told[0].partition_confirms[0].offset.as_ref().unwrap();
            assert_eq!(offset, 0);
        }
        return;
    }
    for topic in topics {
        let mut offset = 0;
        for _ in 0..100 {
            if offset as usize == count {
                break;
            }
            let answers = client
                .fetch_messages(&[FetchPartition::new(topic, 0, offset)])
                .unwrap();
            for answer in &answers {
                for partition in answer.topics().iter().flat_map(|t| t.partitions()) {
                    for message in partition.data().unwrap().messages() {
                        // It does not tell null from empty.
                        println!(
                            "[\"{}\",{},-1,{},{}]",
                            topic, message.offset, text(message.key), text(message.value)
                        );
                        offset = message.offset + 1;
                    }
                }
            }
        }
        assert_eq!(offset as usize, count);
    }
}
