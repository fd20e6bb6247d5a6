//! Reads one object by aws-sdk-s3, writes it under another name and prints it, once a second: BUCKET FOLDER ROUNDS.

use std::error::Error;
use std::time::Duration;

use aws_sdk_s3::Client;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bucket, folder, rounds] = arguments.as_slice() else { return Err("BUCKET FOLDER ROUNDS".into()) };
    let s3 = Client::new(&aws_config::load_from_env().await);
    for round in 0..rounds.parse()? {
        let answer = s3.get_object().bucket(bucket).key(format!("{folder}/in")).send().await?;
        let content = answer.body.collect().await?.into_bytes();
        println!("{}", str::from_utf8(&content)?);
        let copy = format!("{folder}/out-{round}");
        s3.put_object().bucket(bucket).key(copy).body(content.into()).send().await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}
