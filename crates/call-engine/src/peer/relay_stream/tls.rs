//! Whom we believe to be a relay server over TLS: the web's roots, and those that were added by hand.

use std::fmt;
use std::sync::{Arc, OnceLock};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Certificates of authorities that are trusted besides the web's; empty as a rule.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ExtraRoots(Arc<Vec<CertificateDer<'static>>>);

impl ExtraRoots {
    /// Reads a file in PEM form.
    ///
    /// # Errors
    /// With a sentence, when there is no certificate in it or one is broken.
    pub fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let roots = roots.map_err(|error| format!("it is not a file of certificates in PEM form: {error}"))?;
        if roots.is_empty() {
            return Err("there is no certificate in it".to_owned());
        }
        let mut store = RootCertStore::empty();
        for root in &roots {
            store
                .add(root.clone())
                .map_err(|error| format!("a certificate in it is of no use: {error}"))?;
        }
        Ok(Self(Arc::new(roots)))
    }
}

impl fmt::Debug for ExtraRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExtraRoots({})", self.0.len())
    }
}

/// How servers are checked.
#[derive(Clone)]
pub(crate) struct Trust(Arc<ClientConfig>);

impl Trust {
    /// The web's roots and these.
    ///
    /// # Errors
    /// When the cryptography lacks what TLS needs, or a root is of no use.
    pub(crate) fn new(extra: &ExtraRoots) -> Result<Self, String> {
        static PLAIN: OnceLock<Arc<ClientConfig>> = OnceLock::new();
        if !extra.0.is_empty() {
            return Ok(Self(Arc::new(config(extra)?)));
        }
        if let Some(config) = PLAIN.get() {
            return Ok(Self(Arc::clone(config)));
        }
        let made = Arc::new(config(extra)?);
        Ok(Self(Arc::clone(PLAIN.get_or_init(|| made))))
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

fn config(extra: &ExtraRoots) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    for root in extra.0.iter() {
        roots.add(root.clone()).map_err(|error| error.to_string())?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
