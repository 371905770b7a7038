//! What looks personal, by the name of a column or by its values. Better one question too many than one address in
//! staging.

/// Words of column names that speak of a person or a secret, each with the rule that fits.
const WORDS: &[(&str, &str)] = &[
    ("email", "email"),
    ("mail", "email"),
    ("phone", "phone"),
    ("telephone", "phone"),
    ("mobile", "phone"),
    ("cellphone", "phone"),
    ("fax", "phone"),
    ("tel", "phone"),
    ("firstname", "name"),
    ("lastname", "name"),
    ("fullname", "name"),
    ("surname", "name"),
    ("nickname", "name"),
    ("username", "name"),
    ("forename", "name"),
    ("address", "keep_format"),
    ("street", "keep_format"),
    ("postcode", "keep_format"),
    ("zip", "keep_format"),
    ("zipcode", "keep_format"),
    ("ssn", "keep_format"),
    ("iban", "keep_format"),
    ("passport", "keep_format"),
    ("birth", "null"),
    ("birthday", "null"),
    ("birthdate", "null"),
    ("dob", "null"),
    ("gender", "null"),
    ("salary", "keep_format"),
    ("password", "hash"),
    ("passwd", "hash"),
    ("secret", "hash"),
    ("ip", "hash"),
    ("cvv", "null"),
];
/// Such words in other languages.
const OTHER_LANGUAGES: &[(&str, &str)] = &[
    ("vorname", "name"),
    ("nachname", "name"),
    ("familienname", "name"),
    ("geburtsname", "name"),
    ("benutzername", "name"),
    ("prenom", "name"),
    ("prénom", "name"),
    ("apellido", "name"),
    ("apellidos", "name"),
    ("cognome", "name"),
    ("sobrenome", "name"),
    ("apelido", "name"),
    ("voornaam", "name"),
    ("achternaam", "name"),
    ("imie", "name"),
    ("imię", "name"),
    ("nazwisko", "name"),
    ("jmeno", "name"),
    ("jméno", "name"),
    ("prijmeni", "name"),
    ("příjmení", "name"),
    ("fornavn", "name"),
    ("efternavn", "name"),
    ("etternavn", "name"),
    ("fornamn", "name"),
    ("förnamn", "name"),
    ("efternamn", "name"),
    ("etunimi", "name"),
    ("sukunimi", "name"),
    ("фамилия", "name"),
    ("отчество", "name"),
    ("correo", "email"),
    ("courriel", "email"),
    ("epost", "email"),
    ("eposta", "email"),
    ("почта", "email"),
    ("telefon", "phone"),
    ("telefonnummer", "phone"),
    ("rufnummer", "phone"),
    ("handy", "phone"),
    ("handynummer", "phone"),
    ("mobilnummer", "phone"),
    ("mobil", "phone"),
    ("telefono", "phone"),
    ("teléfono", "phone"),
    ("telephone", "phone"),
    ("téléphone", "phone"),
    ("telefone", "phone"),
    ("celular", "phone"),
    ("movil", "phone"),
    ("móvil", "phone"),
    ("cellulare", "phone"),
    ("telefoon", "phone"),
    ("telefoonnummer", "phone"),
    ("puhelin", "phone"),
    ("телефон", "phone"),
    ("adresse", "keep_format"),
    ("anschrift", "keep_format"),
    ("strasse", "keep_format"),
    ("straße", "keep_format"),
    ("hausnummer", "keep_format"),
    ("plz", "keep_format"),
    ("postleitzahl", "keep_format"),
    ("direccion", "keep_format"),
    ("dirección", "keep_format"),
    ("calle", "keep_format"),
    ("indirizzo", "keep_format"),
    ("endereco", "keep_format"),
    ("endereço", "keep_format"),
    ("adres", "keep_format"),
    ("adress", "keep_format"),
    ("straat", "keep_format"),
    ("адрес", "keep_format"),
    ("улица", "keep_format"),
    ("steuernummer", "keep_format"),
    ("ausweisnummer", "keep_format"),
    ("personalausweis", "keep_format"),
    ("sozialversicherungsnummer", "keep_format"),
    ("personnummer", "keep_format"),
    ("kontonummer", "keep_format"),
    ("dni", "keep_format"),
    ("nif", "keep_format"),
    ("cpf", "keep_format"),
    ("curp", "keep_format"),
    ("pesel", "keep_format"),
    ("bsn", "keep_format"),
    ("паспорт", "keep_format"),
    ("gehalt", "keep_format"),
    ("salario", "keep_format"),
    ("salaire", "keep_format"),
    ("geburtsdatum", "null"),
    ("geburtstag", "null"),
    ("nacimiento", "null"),
    ("naissance", "null"),
    ("nascita", "null"),
    ("nascimento", "null"),
    ("geboortedatum", "null"),
    ("födelsedatum", "null"),
    ("рождения", "null"),
    ("geschlecht", "null"),
    ("passwort", "hash"),
    ("kennwort", "hash"),
    ("contrasena", "hash"),
    ("contraseña", "hash"),
    ("senha", "hash"),
    ("wachtwoord", "hash"),
    ("пароль", "hash"),
];
/// Such parts of names that are written without blanks.
const UNSPACED: &[(&str, &str)] = &[
    ("姓名", "name"),
    ("氏名", "name"),
    ("名前", "name"),
    ("이름", "name"),
    ("성명", "name"),
    ("邮箱", "email"),
    ("メール", "email"),
    ("이메일", "email"),
    ("电话", "phone"),
    ("電話", "phone"),
    ("手机", "phone"),
    ("手機", "phone"),
    ("전화", "phone"),
    ("地址", "keep_format"),
    ("住所", "keep_format"),
    ("주소", "keep_format"),
    ("身份证", "keep_format"),
    ("生日", "null"),
    ("生年月日", "null"),
    ("생년월일", "null"),
    ("密码", "hash"),
    ("비밀번호", "hash"),
];
/// Pairs of words that do so together.
const PAIRS: &[(&str, &str, &str)] = &[
    ("e", "mail", "email"),
    ("first", "name", "name"),
    ("last", "name", "name"),
    ("full", "name", "name"),
    ("given", "name", "name"),
    ("family", "name", "name"),
    ("middle", "name", "name"),
    ("maiden", "name", "name"),
    ("user", "name", "name"),
    ("display", "name", "name"),
    ("nick", "name", "name"),
    ("customer", "name", "name"),
    ("contact", "name", "name"),
    ("person", "name", "name"),
    ("employee", "name", "name"),
    ("owner", "name", "name"),
    ("social", "security", "keep_format"),
    ("tax", "id", "keep_format"),
    ("postal", "code", "keep_format"),
    ("account", "number", "keep_format"),
    ("card", "number", "keep_format"),
    ("credit", "card", "keep_format"),
    ("api", "key", "hash"),
    ("access", "token", "hash"),
    ("refresh", "token", "hash"),
];
/// Last words of names that tell something about a thing rather than the thing.
const ABOUT: &[&str] =
    &["id", "count", "at", "verified", "enabled", "confirmed", "sent", "status", "type", "kind", "template"];

/// The rule that fits a column by its name; `None` when the name says nothing personal.
pub(super) fn by_name(column: &str) -> Option<&'static str> {
    let words = words(column);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let pair =
        |found: &[&str]| PAIRS.iter().find(|(first, second, _)| found == [*first, *second]).map(|(_, _, rule)| *rule);
    if let Some(rule) = words.windows(2).find_map(pair) {
        return Some(rule);
    }
    if words.len() > 1 && words.last().is_some_and(|last| ABOUT.contains(last)) {
        return None;
    }
    match words.as_slice() {
        ["name" | "nom" | "nombre" | "nome" | "naam" | "navn" | "namn" | "nimi" | "имя"] => return Some("name"),
        ["token"] => return Some("hash"),
        _ => {}
    }
    let word = WORDS.iter().chain(OTHER_LANGUAGES).find(|(word, _)| words.contains(word));
    // Nothing stands between the words of these scripts.
    let part = || UNSPACED.iter().find(|(part, _)| words.iter().any(|word| word.contains(part)));
    word.or_else(part).map(|(_, rule)| *rule)
}

/// `firstName`, `first_name` and `First Name` are the same two words.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for character in name.chars() {
        let begins = !character.is_alphanumeric() || (character.is_uppercase() && before.is_lowercase());
        if begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| character.is_alphanumeric()) {
            word.extend(character.to_lowercase());
        }
        before = character;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What a value holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holds {
    /// An e-mail address, and nothing else.
    Email,
    /// An e-mail address among other text.
    EmailInside,
    /// An IBAN whose check digits are right.
    Iban,
    /// A phone number as people write it.
    Phone,
}

impl Holds {
    /// For people.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Email => "e-mail addresses",
            Self::EmailInside => "texts with an e-mail address in them",
            Self::Iban => "IBANs",
            Self::Phone => "phone numbers",
        }
    }

    /// The rule that fits.
    pub(super) fn rule(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::EmailInside => "hash",
            Self::Iban => "keep_format",
            Self::Phone => "phone",
        }
    }
}

/// What a text holds.
pub(super) fn by_value(text: &str) -> Option<Holds> {
    if holds_email(text) {
        let alone = text.len() < 255
            && !text
                .trim()
                .contains(|character: char| character.is_whitespace() || "<>\"'{}[](),;".contains(character));
        return Some(if alone { Holds::Email } else { Holds::EmailInside });
    }
    if is_iban(text) {
        return Some(Holds::Iban);
    }
    is_phone(text).then_some(Holds::Phone)
}

/// Whether an e-mail address stands anywhere in a text.
pub(super) fn holds_email(text: &str) -> bool {
    text.match_indices('@').any(|(at, _)| {
        let (before, after) = text.split_at(at);
        let local = before
            .chars()
            .next_back()
            .is_some_and(|character| character.is_alphanumeric() || "._%+-".contains(character));
        let domain: String = after
            .chars()
            .skip(1)
            .take(255)
            .take_while(|character| character.is_alphanumeric() || *character == '-' || *character == '.')
            .collect();
        let mut labels: Vec<&str> = domain.trim_end_matches('.').split('.').collect();
        let last = labels.pop().unwrap_or_default();
        local
            && !labels.is_empty()
            && labels.iter().all(|label| !label.is_empty())
            && last.chars().count() >= 2
            && last.chars().all(char::is_alphabetic)
    })
}

/// ISO 13616: two letters, two check digits, up to 30 more; the rest of a division by 97 is 1.
pub(super) fn is_iban(text: &str) -> bool {
    if text.len() > 64 {
        return false;
    }
    let text: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let (Some(head), Some(rest)) = (text.get(..4), text.get(4..)) else { return false };
    let shape = head.iter().take(2).all(u8::is_ascii_uppercase) && head.iter().skip(2).all(u8::is_ascii_digit);
    if !shape
        || !(11..=30).contains(&rest.len())
        || !rest.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    {
        return false;
    }
    let digits = rest.iter().chain(head).flat_map(|byte| {
        if byte.is_ascii_digit() { vec![byte - b'0'] } else { vec![(byte - b'A' + 10) / 10, (byte - b'A' + 10) % 10] }
    });
    digits.fold(0u32, |sum, digit| (sum * 10 + u32::from(digit)) % 97) == 1
}

/// A number with a plus, or with groups as no date, version or amount has them.
fn is_phone(text: &str) -> bool {
    let text = text.trim();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let marks = text.chars().all(|character| character.is_ascii_digit() || " -()./+".contains(character));
    if !marks || !(8..=15).contains(&digits) {
        return false;
    }
    let groups: Vec<usize> =
        text.split(|character: char| !character.is_ascii_digit()).map(str::len).filter(|length| *length > 0).collect();
    let date = groups.len() == 3
        && matches!(groups.as_slice(), [4, ..] | [.., 4])
        && groups.iter().filter(|length| **length <= 2).count() == 2;
    text.starts_with('+')
        || text.contains('(')
        || (groups.len() >= 3 && !date && !text.contains('.'))
        || (text.starts_with('0') && text.contains(['/', '-', ' ']) && !date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_columns_speak() {
        for (name, rule) in [
            ("email", "email"),
            ("contactEmail", "email"),
            ("E_Mail", "email"),
            ("name", "name"),
            ("firstName", "name"),
            ("billing_address", "keep_format"),
            ("phone_number", "phone"),
            ("date_of_birth", "null"),
            ("IBAN", "keep_format"),
            ("api_key", "hash"),
            ("last_login_ip", "hash"),
            ("Vorname", "name"),
            ("nombre", "name"),
            ("numero_teléfono", "phone"),
            ("STRASSE", "keep_format"),
            ("Имя", "name"),
            ("дата_рождения", "null"),
            ("联系电话号码", "phone"),
        ] {
            assert_eq!(by_name(name), Some(rule), "{name}");
        }
        for name in [
            "id",
            "file_name",
            "email_verified",
            "address_id",
            "zipper",
            "description",
            "token_count",
            "shipping_at",
            "company",
        ] {
            assert_eq!(by_name(name), None, "{name}");
        }
    }

    #[test]
    fn values_speak() {
        for (text, holds) in [
            ("ada@example.com", Holds::Email),
            (" Ada.L+x@mail.example.co.uk ", Holds::Email),
            ("Please write to ada@example.com.", Holds::EmailInside),
            ("{\"to\":\"ada@example.com\"}", Holds::EmailInside),
            ("jürgen@müller.de", Holds::Email),
            ("DE89 3704 0044 0532 0130 00", Holds::Iban),
            ("GB82WEST12345698765432", Holds::Iban),
            ("+49 30 1234567", Holds::Phone),
            ("(030) 1234567", Holds::Phone),
            ("555-010-1234", Holds::Phone),
            ("030/1234567", Holds::Phone),
        ] {
            assert_eq!(by_value(text), Some(holds), "{text}");
        }
        for text in [
            "",
            "a@b",
            "@home",
            "x @ y.z",
            "user@localhost",
            "2026-01-31",
            "31.12.2026",
            "2026-01-31 10:11:12",
            "12345678",
            "192.168.100.200",
            "DE00370400440532013000",
            "1.10.200",
            "price 100",
            "2026/01/31",
        ] {
            assert_eq!(by_value(text), None, "{text}");
        }
    }
}
