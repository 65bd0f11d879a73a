//! Ctrl-C while a target starts: what is already there must be taken away again.

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};

use super::TargetError;

/// Whether the user has pressed Ctrl-C since this was asked for the first time.
#[derive(Clone)]
pub struct Interruption(Shared<BoxFuture<'static, ()>>);

impl Interruption {
    /// One that comes with Ctrl-C.
    pub fn by_ctrl_c() -> Self {
        let pressed = async {
            // Where signals cannot be heard nobody interrupts.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        Self(pressed.boxed().shared())
    }

    /// What comes of `work`, which ends where it is when the interruption comes.
    ///
    /// # Errors
    ///
    /// [`TargetError::Interrupted`], and those of `work`.
    pub async fn or<T>(&self, work: impl Future<Output = Result<T, TargetError>>) -> Result<T, TargetError> {
        tokio::select! {
            biased;
            () = self.0.clone() => Err(TargetError::Interrupted),
            done = work => done,
        }
    }
}
