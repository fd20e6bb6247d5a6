//! A token before it is signed, and the dice that it is made with.

use ring::digest::{SHA256, digest};
use safe_conduct::codec::base64url::encode;
use safe_conduct::identity::Algorithm;

use crate::tokens;

pub const ISSUER: &str = "https://issuer.example";
pub const AUDIENCE: &str = "sts.example";

/// Random numbers that a seed and a token's number repeat.
pub struct Dice {
    seed: u64,
    id: u64,
    thrown: u64,
}

impl Dice {
    pub fn new(seed: u64, id: u64) -> Self {
        Self { seed, id, thrown: 0 }
    }

    pub fn number(&mut self) -> u64 {
        self.thrown += 1;
        let text = format!("{} {} {}", self.seed, self.id, self.thrown);
        u64::from_be_bytes(digest(&SHA256, text.as_bytes()).as_ref()[..8].try_into().unwrap())
    }

    /// From 0 to `end` - 1.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(end).unwrap()).unwrap()
    }

    pub fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

/// Members of a JSON object, names and values as they are written.
pub struct Members(Vec<(String, String)>);

impl Members {
    fn new(members: &[(&str, &str)]) -> Self {
        Self(members.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.remove(name);
        self.add(name, value);
    }

    /// Also if it is there already.
    pub fn add(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }

    pub fn add_first(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(0, (name.to_owned(), value.into()));
    }

    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    pub fn text(&self) -> String {
        let members: Vec<String> = self.0.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }
}

type Change<T> = Box<dyn Fn(T) -> T>;

/// A token in the making. It is sound until something is changed.
pub struct Draft {
    pub now: u64,
    pub algorithm: Algorithm,
    pub header: Members,
    pub claims: Members,
    /// Changes of the texts that header and claims become.
    pub header_text: Vec<Change<Vec<u8>>>,
    pub claims_text: Vec<Change<Vec<u8>>>,
    /// Changes of the raw signature.
    pub signature: Vec<Change<Vec<u8>>>,
    /// Signed with a key that the issuer does not have.
    pub foreign: bool,
    /// Changes of the finished token.
    pub token: Vec<Change<String>>,
    pub jwks: String,
}

impl Draft {
    pub fn sound(dice: &mut Dice, now: u64) -> Self {
        use Algorithm::{EdDsa, Es256, Es384, Ps256, Rs256};
        // RSA signs slowly, so it is a sixth.
        let algorithm =
            [Es256, EdDsa, Es384, Es256, EdDsa, if dice.below(2) == 0 { Rs256 } else { Ps256 }][dice.below(6)];
        let issued = now - 300 - u64::try_from(dice.below(300)).unwrap();
        let expires = now + 3600 + u64::try_from(dice.below(3600)).unwrap();
        let mut draft = Self {
            now,
            algorithm,
            header: Members::new(&[]),
            claims: Members::new(&[
                ("iss", &format!("\"{ISSUER}\"")),
                ("aud", &format!("\"{AUDIENCE}\"")),
                ("sub", &format!("\"system:serviceaccount:spark:etl-{}\"", dice.below(1000))),
                ("iat", &issued.to_string()),
                ("exp", &expires.to_string()),
                ("jti", &format!("\"{:016x}\"", dice.number())),
            ]),
            header_text: Vec::new(),
            claims_text: Vec::new(),
            signature: Vec::new(),
            foreign: false,
            token: Vec::new(),
            jwks: tokens::jwks(),
        };
        draft.use_algorithm(algorithm);
        draft
    }

    pub fn use_algorithm(&mut self, algorithm: Algorithm) {
        self.algorithm = algorithm;
        self.header.set("alg", format!("\"{algorithm}\""));
        self.header.set("kid", format!("\"{}\"", tokens::key_id(algorithm)));
    }

    /// The token, and the key set to check it with.
    pub fn finished(self) -> (String, String) {
        let changed = |text: String, changes: &[Change<Vec<u8>>]| {
            encode(&changes.iter().fold(text.into_bytes(), |text, change| change(text)))
        };
        let header = changed(self.header.text(), &self.header_text);
        let claims = changed(self.claims.text(), &self.claims_text);
        let input = format!("{header}.{claims}");
        let signature = if self.foreign {
            tokens::foreign_signature(input.as_bytes())
        } else {
            tokens::signature(self.algorithm, input.as_bytes())
        };
        let signature = self.signature.iter().fold(signature, |signature, change| change(signature));
        let token = format!("{input}.{}", encode(&signature));
        (self.token.iter().fold(token, |token, change| change(token)), self.jwks)
    }
}
