//! The names in a client's certificate that was verified: its alternative names; the common name only of one that has no
//! alternative names of any kind, for an authority that looks after those need not care what else it signs.

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// DNS names and URIs (e.g. of SPIFFE), and if there is no alternative name at all the common name.
pub(super) fn of(der: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = EndEntityCert::try_from(der) else { return Vec::new() };
    let names: Vec<_> = certificate.valid_dns_names().chain(certificate.valid_uri_names()).map(str::to_owned).collect();
    match has_alternative_names(der) {
        Some(false) => common_name(certificate.subject()).map(str::to_owned).into_iter().collect(),
        Some(true) | None => names,
    }
}

/// Whether a certificate has the extension (RFC 5280 section 4.1); `None` if it is not understood.
fn has_alternative_names(mut der: &[u8]) -> Option<bool> {
    let mut certificate = expect(SEQUENCE, &mut der)?;
    let mut signed = expect(SEQUENCE, &mut certificate)?;
    while !signed.is_empty() {
        let (tag, mut content) = element(&mut signed)?;
        if tag != EXTENSIONS {
            continue;
        }
        let mut extensions = expect(SEQUENCE, &mut content)?;
        while !extensions.is_empty() {
            let mut extension = expect(SEQUENCE, &mut extensions)?;
            if expect(OBJECT_IDENTIFIER, &mut extension)? == ALTERNATIVE_NAMES {
                return Some(true);
            }
        }
    }
    Some(false)
}

/// The last common name in the parts of a subject (RFC 5280 section 4.1.2.6).
fn common_name(mut subject: &[u8]) -> Option<&str> {
    let mut name = None;
    while let Some(mut set) = expect(SET, &mut subject) {
        while let Some(mut attribute) = expect(SEQUENCE, &mut set) {
            let kind = expect(OBJECT_IDENTIFIER, &mut attribute)?;
            let (tag, value) = element(&mut attribute)?;
            if kind == COMMON_NAME && (tag == UTF8_STRING || tag == PRINTABLE_STRING) {
                name = str::from_utf8(value).ok().filter(|name| !name.is_empty());
            }
        }
    }
    name
}

/// The content of the next element, if it has this tag.
fn expect<'d>(tag: u8, der: &mut &'d [u8]) -> Option<&'d [u8]> {
    element(der).filter(|(found, _)| *found == tag).map(|(_, content)| content)
}

/// Cuts off the next element of DER: its tag and its content.
fn element<'d>(der: &mut &'d [u8]) -> Option<(u8, &'d [u8])> {
    let (&[tag, first], rest) = der.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        // No certificate and no part of one is so long.
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *der = rest;
    Some((tag, content))
}

const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `[3]`.
const EXTENSIONS: u8 = 0xa3;
/// 2.5.29.17.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
/// 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &[u8] = b"\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x0c\x03one";
    const ORGANIZATION: &[u8] = b"\x31\x0c\x30\x0a\x06\x03\x55\x04\x0a\x0c\x03org";

    #[test]
    fn a_common_name_is_found_among_other_parts() {
        assert_eq!(common_name(ONE), Some("one"));
        assert_eq!(common_name(&[ORGANIZATION, ONE, ORGANIZATION].concat()), Some("one"));
        assert_eq!(common_name(ORGANIZATION), None);
        let long = [b"\x31\x81\x90\x30\x81\x8d\x06\x03\x55\x04\x03\x0c\x81\x85".as_slice(), &[b'x'; 0x85]].concat();
        assert_eq!(common_name(&long), Some(&*"x".repeat(0x85)));
    }

    #[test]
    fn what_is_cut_off_or_of_another_kind_is_no_name() {
        for end in 0..ONE.len() {
            assert_eq!(common_name(&ONE[..end]), None);
        }
        for wrong in [
            b"\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x0c\x03\xff\xff\xff".as_slice(),
            b"\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x1e\x03one",
            b"\x31\x09\x30\x07\x06\x03\x55\x04\x03\x0c\x00",
            b"\x31\x80\x30\x80",
            b"\x31\x84\xff\xff\xff\xff",
        ] {
            assert_eq!(common_name(wrong), None, "{wrong:x?}");
        }
    }
}
