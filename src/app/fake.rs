//! Fakes for the use cases' own tests come here.
