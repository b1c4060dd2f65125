//! `token`: a new credential for a cluster that joined.

use secrecy::ExposeSecret as _;

use crate::args::{Target, Token};
use crate::connect::connect;
use crate::failure::Failure;
use crate::kubectl::Kubectl;
use crate::output::print;
use crate::{address, credential};

pub(super) async fn run(target: &Target, flags: &Token) -> Result<(), Failure> {
    let connection = connect(target, false).await?;
    let (api, name) = (&connection.api, &flags.name);
    let address = address::choose(&connection, &flags.directory).await?;
    credential::account(api, name, flags.directory.timeout).await?;
    let token = credential::token(api, name).await?;
    let identity = address::identity(&connection).await.ok();
    credential::describe(api, name, &address, identity.as_deref(), &token);
    print(credential::secret(name, &address, &token).expose_secret())
}

pub(super) fn explain(kubectl: &Kubectl, flags: &Token) -> String {
    credential::explain(kubectl, &flags.name, flags.directory.server.as_ref())
}
