use std::fs;
use std::path::PathBuf;

use rstest::rstest;

use super::api;
use crate::config::{Api, ApiKey, LoadedKey};

struct Case {
    folder: tempfile::TempDir,
    api: Api,
}

impl Case {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            api: api("[api]\nbase_url = 'https://a.example'"),
        }
    }

    fn write(&self, name: &str, content: &[u8], mode: u32) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn load(&self, environment: &[(&str, &str)]) -> Result<LoadedKey, String> {
        let loaded = ApiKey::load(&self.api, &environment.iter().copied().collect());
        loaded.map_err(|error| {
            error
                .to_string()
                .replace(self.folder.path().to_str().unwrap(), "DIR")
        })
    }
}

#[test]
fn come_from_the_credential_then_the_file_then_the_environment() {
    let mut case = Case::new();
    let folder = case.folder.path().to_str().unwrap().to_owned();
    let environment = [
        ("CREDENTIALS_DIRECTORY", folder.as_str()),
        ("CUSTOMER_MIRROR__API__KEY", "from-environment"),
    ];
    let found = case.load(&environment).unwrap();
    assert_eq!(
        (found.key.expose(), found.origin.as_str()),
        ("from-environment", "CUSTOMER_MIRROR__API__KEY")
    );
    case.api.key_file = Some(case.write("k", b"from-file\r\n", 0o600));
    let found = case.load(&environment).unwrap();
    assert_eq!(
        (found.key.expose(), found.origin),
        ("from-file", format!("{folder}/k"))
    );
    case.write("api-key", b"  from-credential \n\n", 0o400);
    let found = case.load(&environment).unwrap();
    assert_eq!(
        (found.key.expose(), found.warnings),
        ("from-credential", vec![])
    );
    assert!(!format!("{:?}", case.load(&environment)).contains("from-credential"));
}

#[test]
fn that_are_nowhere_are_asked_for() {
    assert_eq!(
        Case::new()
            .load(&[("CUSTOMER_MIRROR__API__KEY", "")])
            .unwrap_err(),
        "there is no API key: provide it as $CREDENTIALS_DIRECTORY/api-key (systemd LoadCredential), in a file named by api.key_file, or in the environment variable CUSTOMER_MIRROR__API__KEY"
    );
}

#[rstest]
#[case(b" \n", "it is empty")]
#[case(b"SECRET\nSECRET", "it has more than one line")]
#[case(
    b"SECRET SECRET",
    "it has characters other than printable ASCII without spaces"
)]
#[case("SECRETö".as_bytes(), "it has characters other than printable ASCII without spaces")]
#[case(&[b'S'; 4097], "it is longer than 4096 bytes")]
fn that_cannot_be_keys_are_refused_unseen(#[case] content: &[u8], #[case] problem: &str) {
    let mut case = Case::new();
    case.api.key_file = Some(case.write("k", content, 0o600));
    let expected = format!(
        "this can't be an API key: {problem} (content not shown); put the key there, alone on one line"
    );
    assert_eq!(case.load(&[]).unwrap_err(), format!("DIR/k: {expected}"));
    if !content.trim_ascii().is_empty() {
        case.api.key_file = None;
        let text = std::str::from_utf8(content).unwrap();
        assert_eq!(
            case.load(&[("CUSTOMER_MIRROR__API__KEY", text)])
                .unwrap_err(),
            format!("CUSTOMER_MIRROR__API__KEY: {expected}")
        );
    }
}

#[test]
fn in_files_that_cannot_be_read_are_reported() {
    let mut case = Case::new();
    case.api.key_file = Some(case.folder.path().join("none"));
    assert_eq!(
        case.load(&[]).unwrap_err(),
        "DIR/none: can't read the API key: No such file or directory (os error 2); check the path, and that the user running this program may read it"
    );
    case.api.key_file = Some(case.write("k", b"SECRET\xff", 0o600));
    assert!(!case.load(&[]).unwrap_err().contains("SECRET"));
    case.api.key_file = Some(case.write("k", &[b'S'; 9000], 0o600));
    assert!(
        case.load(&[])
            .unwrap_err()
            .contains("larger than 8192 bytes")
    );
    case.api.key_file = Some(PathBuf::from("SECRET-key"));
    assert!(!case.load(&[]).unwrap_err().contains("SECRET"));
}

#[rstest]
#[case(0o644, true)]
#[case(0o602, true)]
#[case(0o640, false)]
#[case(0o400, false)]
fn in_files_open_to_everyone_are_warned_of(#[case] mode: u32, #[case] warned: bool) {
    let mut case = Case::new();
    let path = case.write("k", b"key", mode);
    case.api.key_file = Some(path.clone());
    let shown = path.display();
    let expected = format!(
        "{shown}: every user of this machine can get at the API key (mode {mode:04o}); run: chmod o= {shown}"
    );
    let expected: Vec<String> = warned.then_some(expected).into_iter().collect();
    assert_eq!(case.load(&[]).unwrap().warnings, expected);
}
