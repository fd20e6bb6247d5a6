//! One web identity exchange by aws-config, as a program of its own: prints the credential as `credential_process` JSON.

use std::error::Error;

use aws_config::BehaviorVersion;
use aws_credential_types::provider::ProvideCredentials as _;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let config = aws_config::defaults(BehaviorVersion::latest()).load().await;
        let provider = config.credentials_provider().ok_or("no provider")?;
        let credential = provider.provide_credentials().await?;
        println!(
            r#"{{"Version":1,"AccessKeyId":"{}","SecretAccessKey":"{}","SessionToken":"{}"}}"#,
            credential.access_key_id(),
            credential.secret_access_key(),
            credential.session_token().ok_or("no session token")?
        );
        Ok(())
    })
}
