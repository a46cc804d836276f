//! A storage whose syncs say that they happened, and did nothing.
