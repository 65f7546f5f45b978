//! Which permissions and attributes a lender may give, and a borrower may ask for.

use super::share::Kind;
use crate::api::Access;
use crate::error::Error;

/// Data access in a permissions byte (DEN0140 1.2, table 1.15, bits 1:0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Data {
    Unspecified,
    Read,
    ReadWrite,
}

/// Instruction access in a permissions byte (bits 3:2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    Unspecified,
    Never,
    Execute,
}

fn permissions(byte: u8) -> Result<(Data, Code), Error> {
    let data = match byte & 0b11 {
        0 => Data::Unspecified,
        1 => Data::Read,
        2 => Data::ReadWrite,
        _ => return Err(Error::InvalidParameters),
    };
    let code = match byte >> 2 {
        0 => Code::Unspecified,
        1 => Code::Never,
        2 => Code::Execute,
        _ => return Err(Error::InvalidParameters),
    };
    Ok((data, code))
}

/// What a lender gives with this permissions byte. It may not speak of execution, and of data only
/// where it stays the owner; a new owner may read and write.
pub fn offered(kind: Kind, byte: u8) -> Result<Access, Error> {
    match (kind, permissions(byte)?) {
        (Kind::Share | Kind::Lend, (Data::Read, Code::Unspecified)) => Ok(Access::Read),
        (Kind::Share | Kind::Lend, (Data::ReadWrite, Code::Unspecified))
        | (Kind::Donate, (Data::Unspecified, Code::Unspecified)) => Ok(Access::ReadWrite),
        _ => Err(Error::InvalidParameters),
    }
}

/// What a borrower gets that asks with this byte for something `given`: as much, or less. Execution
/// is never granted; where several hold the memory, it must not even be mentioned.
pub fn requested(given: Access, shared: bool, byte: u8) -> Result<Access, Error> {
    let (data, code) = permissions(byte)?;
    match code {
        Code::Unspecified => {}
        _ if shared => return Err(Error::InvalidParameters),
        Code::Never => {}
        Code::Execute => return Err(Error::Denied),
    }
    match (data, given) {
        (Data::Unspecified, _) => Ok(given),
        (Data::Read, _) => Ok(Access::Read),
        (Data::ReadWrite, Access::ReadWrite) => Ok(Access::ReadWrite),
        (Data::ReadWrite, Access::Read) => Err(Error::Denied),
    }
}

/// Whether a permissions byte has no reserved value in it.
pub fn well_formed(byte: u8) -> Result<(), Error> {
    permissions(byte).map(|_| ())
}

/// The permissions byte of what was offered.
pub fn given(access: Access) -> u8 {
    match access {
        Access::Read => 0b01,
        Access::ReadWrite => 0b10,
    }
}

/// The permissions byte of an answer: data as granted, never executable.
pub fn granted(access: Access) -> u8 {
    match access {
        Access::Read => 0b0101,
        Access::ReadWrite => 0b0110,
    }
}

/// Memory attributes (DEN0140 1.2, table 1.18), as far as bits 5:0 say: zero where unspecified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes(u8);

/// Normal memory, write-back, inner shareable.
const WRITE_BACK_INNER: u8 = 0x2f;
const CACHEABILITY: u8 = 0b1100;
const SHAREABILITY: u8 = 0b11;

impl Attributes {
    /// Nothing specified.
    pub const UNSPECIFIED: Self = Self(0);

    /// Reads the field of a descriptor. Reserved values and bits (security state among them) are
    /// INVALID_PARAMETERS; device memory, which nobody here lends, is DENIED.
    pub fn parse(field: u16) -> Result<Self, Error> {
        let byte = match u8::try_from(field) {
            Ok(byte) if byte < 1 << 6 => byte,
            _ => return Err(Error::InvalidParameters),
        };
        match byte >> 4 {
            0 => Ok(Self::UNSPECIFIED),
            1 => Err(Error::Denied),
            2 if byte & 0b100 != 0 && byte & SHAREABILITY != 0b01 => Ok(Self(byte)),
            _ => Err(Error::InvalidParameters),
        }
    }

    /// What a lender may say: attributes where others hold the memory beside it or each other, and
    /// none where one borrower decides.
    pub fn offered(self, shared: bool) -> Result<Self, Error> {
        if shared == (self != Self::UNSPECIFIED) {
            Ok(self)
        } else {
            Err(Error::InvalidParameters)
        }
    }

    /// What a borrower gets that asks for `wanted`: the same, or cached less.
    pub fn narrowed(self, wanted: Self) -> Result<Self, Error> {
        match (self, wanted) {
            (Self::UNSPECIFIED, Self::UNSPECIFIED) => Ok(Self(WRITE_BACK_INNER)),
            (given, Self::UNSPECIFIED) => Ok(given),
            (Self::UNSPECIFIED, wanted) => Ok(wanted),
            (given, wanted) => {
                let same = given.0 & SHAREABILITY == wanted.0 & SHAREABILITY;
                let less = wanted.0 & CACHEABILITY <= given.0 & CACHEABILITY;
                if same && less {
                    Ok(wanted)
                } else {
                    Err(Error::Denied)
                }
            }
        }
    }

    /// The field of an answer: from 1.1 on it says where memory is non-secure (bit 6).
    pub fn field(self, version: u32, non_secure: bool) -> u16 {
        let non_secure = if non_secure && version > super::descriptor::V1_0 {
            1 << 6
        } else {
            0
        };
        u16::from(self.0 | non_secure)
    }
}
