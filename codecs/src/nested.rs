//! What stands inside fields.

pub mod emv;
pub mod tlv;
