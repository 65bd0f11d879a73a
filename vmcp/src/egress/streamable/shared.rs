//! A session that another replica has opened, or may go on with.

use http::HeaderValue;

use super::Established;
use super::wire::Wire;
use crate::backend::Caller;
use crate::egress::error::EgressError;
use crate::egress::handshake;
use crate::egress::news::Agreed;
use crate::replicas::{Away, Entered, OpenedSession, Ticket};

impl Wire {
    /// A session of the gateway's own, other than the `lost` one: that of all replicas, or where there is none to share, one of
    /// this replica alone.
    pub(super) async fn obtain(&self, caller: &Caller, lost: Option<&Established>) -> Result<Established, EgressError> {
        let Some(shared) = self.exchange.shared() else { return self.initialize(caller).await };
        match shared.enter(lost.and_then(|lost| lost.ticket.as_ref())).await {
            Entered::Open(ticket, session) => match self.go_on(ticket, session, lost.is_some()) {
                Some(established) => Ok(established),
                None => self.initialize(caller).await,
            },
            Entered::Yours => {
                let opened = self.initialize(caller).await;
                let told = opened.as_ref().ok().and_then(|opened| self.told(opened));
                let ticket = shared.opened(told.as_ref()).await;
                opened.map(|opened| Established { ticket, ..opened })
            }
            Entered::Alone => self.initialize(caller).await,
        }
    }

    /// Lets other replicas go on with the session of a client that was opened here. They do not know the client's before, so that
    /// none of them opens one at the same time.
    pub(super) async fn share(&self, opened: Established) -> Established {
        let Some(shared) = self.exchange.shared() else { return opened };
        let Some(told) = self.told(&opened) else { return opened };
        let ticket = match shared.enter(None).await {
            Entered::Yours => shared.opened(Some(&told)).await,
            Entered::Open(..) | Entered::Alone => None,
        };
        Established { ticket, ..opened }
    }

    /// The session of a client that another replica has opened; none is opened in its place.
    pub(super) async fn resume(&self) -> Result<Option<Established>, Away> {
        let Some(shared) = self.exchange.shared() else { return Ok(None) };
        let opened = shared.opened_before().await?;
        Ok(opened.and_then(|(ticket, session)| self.go_on(ticket, session, false)))
    }

    /// Goes on with a session of another replica's, in the place of one that was lost or for the first time. Nothing, where this
    /// replica does not speak its revision.
    fn go_on(&self, ticket: Ticket, session: OpenedSession, after_loss: bool) -> Option<Established> {
        let version = handshake::spoken(&session.revision)?;
        let session_id = session.session_id.map(HeaderValue::try_from).transpose().ok()?;
        // What a backend tells one client of how to use it counts for nobody.
        let agreed = Agreed { revision: version, offers: session.offers, instructions: None };
        if after_loss {
            // Whoever was told something in the session that is lost is told it again.
            self.news.negotiated(agreed);
        } else {
            self.news.continued(agreed);
        }
        tracing::debug!(backend = self.exchange.backend.name, version, "goes on with a session of another replica");
        Some(Established { session_id, version, ticket: Some(ticket) })
    }

    /// What other replicas need to go on with a session that was opened here. Nothing, where its id is not text.
    fn told(&self, opened: &Established) -> Option<OpenedSession> {
        let session_id = opened.session_id.as_ref().map(HeaderValue::to_str).transpose().ok()?;
        let (revision, offers) = (opened.version.to_owned(), self.news.agreed()?.offers);
        Some(OpenedSession { session_id: session_id.map(ToOwned::to_owned), revision, offers })
    }
}
