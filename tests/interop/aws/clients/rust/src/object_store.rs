//! Reads one object by object_store, writes it under another name and prints it, once a second: BUCKET FOLDER ROUNDS.

use std::error::Error;
use std::time::Duration;

use object_store::ObjectStoreExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bucket, folder, rounds] = arguments.as_slice() else { return Err("BUCKET FOLDER ROUNDS".into()) };
    let s3 = AmazonS3Builder::from_env().with_bucket_name(bucket).build()?;
    for round in 0..rounds.parse()? {
        let content = s3.get(&Path::from(format!("{folder}/in"))).await?.bytes().await?;
        println!("{}", str::from_utf8(&content)?);
        s3.put(&Path::from(format!("{folder}/out-{round}")), content.into()).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}
