use rstest::rstest;

use super::{api, load};

#[rstest]
#[case(
    "\n[api]\npagesize = 5",
    "DIR/c.toml:3: unknown key api.pagesize; did you mean api.page_size?"
)]
#[case(
    "page_size = 5",
    "DIR/c.toml:1: unknown key page_size; did you mean api.page_size?"
)]
#[case("[apy]\nx = 5", "DIR/c.toml:1: unknown section apy; did you mean api?")]
#[case(
    "[frobnication]",
    "DIR/c.toml:1: unknown section frobnication; the sections are api, retry, schedule, mirror, deletions, changes, http, log"
)]
#[case(
    "[mirror]\nzzz = 1",
    "DIR/c.toml:2: unknown key mirror.zzz; the keys of [mirror] are path"
)]
#[case(
    "[api]\nparameters = { curser = 'c' }",
    "DIR/c.toml:2: unknown key api.parameters.curser; did you mean api.parameters.cursor?"
)]
#[case(
    "api = 1",
    "DIR/c.toml:1: api is a section; write [api] and its keys below"
)]
#[case(
    "[[api]]",
    "DIR/c.toml:1: api is a section; write [api] and its keys below"
)]
#[case(
    "[api]\npage_size = 1001",
    "DIR/c.toml:2: api.page_size = 1001: must be 1 to 1000"
)]
#[case(
    "[api]\npage_size = 7.9",
    "DIR/c.toml:2: api.page_size = 7.9: must be a whole number, without quotes in a file"
)]
#[case(
    "[api]\npage_size = '7'",
    "DIR/c.toml:2: api.page_size = \"7\": must be a whole number, without quotes in a file"
)]
#[case(
    "[api]\npage_size = 99999999999999999999",
    "DIR/c.toml:2: api.page_size = 99999999999999999999: must be a whole number, without quotes in a file"
)]
#[case(
    "[api]\nfilter = 7",
    "DIR/c.toml:2: api.filter = 7: must be text; put it in double quotes"
)]
#[case(
    "[api]\nfilter = [7]",
    "DIR/c.toml:2: api.filter = (array): must be text; put it in double quotes"
)]
#[case(
    "[api]\nmax_response_bytes = 1023",
    "DIR/c.toml:2: api.max_response_bytes = 1023: must be 1024 to 1073741824"
)]
#[case(
    "[api]\nmax_requests_per_second = 0",
    "DIR/c.toml:2: api.max_requests_per_second = 0: must be 0.001 to 10000"
)]
#[case(
    "[api]\nmax_requests_per_second = inf",
    "DIR/c.toml:2: api.max_requests_per_second = inf: must be 0.001 to 10000"
)]
#[case(
    "[api]\nconnect_timeout = 60",
    "DIR/c.toml:2: api.connect_timeout = 60: a duration needs a unit; write \"60s\" for seconds"
)]
#[case(
    "[api]\nconnect_timeout = '60'",
    "DIR/c.toml:2: api.connect_timeout = \"60\": a duration needs a unit; write \"60s\" for seconds"
)]
#[case(
    "[api]\nconnect_timeout = '0s'",
    "DIR/c.toml:2: api.connect_timeout = \"0s\": must be 1ms to 1day"
)]
#[case(
    "[api]\nrequest_timeout = '25h'",
    "DIR/c.toml:2: api.request_timeout = \"25h\": must be 1ms to 1day"
)]
#[case(
    "[api]\nrequest_timeout = 'soon'",
    "DIR/c.toml:2: api.request_timeout = \"soon\": must be a duration such as \"500ms\", \"60s\", \"15m\" or \"90d\""
)]
#[case(
    "[api.parameters]\nlimit = 'a b'",
    "DIR/c.toml:2: api.parameters.limit = \"a b\": a parameter name has 1 to 64 letters, digits, or - . _ ~"
)]
#[case(
    "[api.parameters]\nlimit = ''",
    "DIR/c.toml:2: api.parameters.limit = \"\": must not be empty; write a value, or remove the setting"
)]
#[case(
    "[api.parameters]\nfilter = 'cursor'",
    "DIR/c.toml:2: api.parameters.filter = \"cursor\": api.parameters.filter and api.parameters.cursor must have different names"
)]
#[case(
    "[retry]\nmax_delay = '100ms'",
    "DIR/c.toml:2: retry.max_delay = \"100ms\": retry.initial_delay must not be longer than retry.max_delay (they are 500ms and 100ms)"
)]
#[case(
    "[schedule]\ncron = '61 * * * *'",
    "DIR/c.toml:2: schedule.cron = \"61 * * * *\": minute: 61 is not in 0-59"
)]
#[case(
    "[schedule]\ntimezone = 'Europe/Stokholm'",
    "DIR/c.toml:2: schedule.timezone = \"Europe/Stokholm\": there is no such time zone; did you mean Europe/Stockholm?"
)]
#[case(
    "[schedule]\nrun_on_start = 1",
    "DIR/c.toml:2: schedule.run_on_start = 1: must be true or false, without quotes in a file"
)]
#[case(
    "[mirror]\npath = ''",
    "DIR/c.toml:2: mirror.path = \"\": must not be empty; write a value, or remove the setting"
)]
#[case(
    "[mirror]\npath = '~/c.db'",
    "DIR/c.toml:2: mirror.path = \"~/c.db\": ~ is not expanded here; write the path in full"
)]
#[case(
    "[mirror]\npath = ':memory:'",
    "DIR/c.toml:2: mirror.path = \":memory:\": must be the path of a file"
)]
#[case(
    "[deletions]\nconfirm_passes = 0",
    "DIR/c.toml:2: deletions.confirm_passes = 0: must be 1 to 100"
)]
#[case(
    "[deletions]\nmax_percent = 100.5",
    "DIR/c.toml:2: deletions.max_percent = 100.5: must be 0 to 100"
)]
#[case(
    "[deletions]\nmax_percent = nan",
    "DIR/c.toml:2: deletions.max_percent = NaN: must be 0 to 100"
)]
#[case(
    "[deletions]\nalways_allow = -1",
    "DIR/c.toml:2: deletions.always_allow = -1: must be 0 to 9223372036854775807"
)]
#[case(
    "[deletions]\npurge_after = '0s'",
    "DIR/c.toml:2: deletions.purge_after = \"0s\": must be 1s to 9years 11months 27days 21h 50m 24s"
)]
#[case(
    "[http]\nlisten = '9100'",
    "DIR/c.toml:2: http.listen = \"9100\": write address and port such as \"127.0.0.1:9480\", the path of a Unix socket such as \"unix:/run/customer-mirror/http.sock\", or \"off\""
)]
#[case(
    "[http]\nhosts = 'mirror.example.com:443'",
    "DIR/c.toml:2: http.hosts = \"mirror.example.com:443\": must be host names without ports, such as \"mirror.example.com\", with blanks between them"
)]
#[case(
    "[http]\nready_periods = 0",
    "DIR/c.toml:2: http.ready_periods = 0: must be 1 to 1000"
)]
#[case(
    "[log]\nlevel = 'loud'",
    "DIR/c.toml:2: log.level = \"loud\": must be one of error, warn, info, debug, trace"
)]
#[case(
    "[log]\nlevel = 'info'\nlevel = 'debug'",
    "DIR/c.toml:3: not valid TOML: duplicate key"
)]
fn refused_in_a_file(#[case] file: &str, #[case] message: &str) {
    assert_eq!(load(file, &[]).unwrap_err(), message);
}

#[rstest]
#[case(
    "CUSTOMER_MIRROR__API__PAGE_SIZE",
    "7.9",
    "CUSTOMER_MIRROR__API__PAGE_SIZE: api.page_size = \"7.9\": must be a whole number, without quotes in a file"
)]
#[case(
    "CUSTOMER_MIRROR__API__PAGE_SIZE",
    "0",
    "CUSTOMER_MIRROR__API__PAGE_SIZE: api.page_size = 0: must be 1 to 1000"
)]
#[case(
    "CUSTOMER_MIRROR__SCHEDULE__RUN_ON_START",
    "yes",
    "CUSTOMER_MIRROR__SCHEDULE__RUN_ON_START: schedule.run_on_start = \"yes\": must be true or false, without quotes in a file"
)]
#[case(
    "CUSTOMER_MIRROR__API__REQUEST_TIMEOUT",
    "60",
    "CUSTOMER_MIRROR__API__REQUEST_TIMEOUT: api.request_timeout = \"60\": a duration needs a unit; write \"60s\" for seconds"
)]
#[case(
    "CUSTOMER_MIRROR__API__PAGESIZE",
    "5",
    "CUSTOMER_MIRROR__API__PAGESIZE: unknown variable; did you mean CUSTOMER_MIRROR__API__PAGE_SIZE?"
)]
#[case(
    "CUSTOMER_MIRROR__api__page_size",
    "5",
    "CUSTOMER_MIRROR__api__page_size: unknown variable; write it in capitals: CUSTOMER_MIRROR__API__PAGE_SIZE"
)]
#[case(
    "CUSTOMER_MIRROR__XYZZY",
    "5",
    "CUSTOMER_MIRROR__XYZZY: unknown variable; the sections are api, retry, schedule, mirror, deletions, changes, http, log"
)]
fn refused_in_the_environment(#[case] name: &str, #[case] value: &str, #[case] message: &str) {
    assert_eq!(load("", &[(name, value)]).unwrap_err(), message);
}

#[rstest]
#[case("https://api.example.com", "https://api.example.com")]
#[case("https://API.Example.com:443/v1//", "https://api.example.com/v1")]
#[case("http://127.0.0.9:8080/x/", "http://127.0.0.9:8080/x")]
#[case("http://[::1]:8080", "http://[::1]:8080")]
#[case("http://localhost:1", "http://localhost:1")]
fn base_urls_accepted(#[case] text: &str, #[case] fingerprint: &str) {
    let api = api(&format!("[api]\nbase_url = '{text}'"));
    assert_eq!(api.source_fingerprint(), fingerprint);
    assert_eq!(
        api.customers_url().as_str(),
        format!("{fingerprint}/customers")
    );
}

#[rstest]
#[case(
    "http://api.example.com",
    "\"http://api.example.com\": the API key would travel in the clear; write https:// (http:// is for loopback only)"
)]
#[case(
    "http://localhost.example.com",
    "\"http://localhost.example.com\": the API key would travel in the clear; write https:// (http:// is for loopback only)"
)]
#[case(
    "ftp://example.com",
    "\"ftp://example.com\": must begin with https://, as in \"https://api.example.com/v1\""
)]
#[case(
    "localhost:8080",
    "\"localhost:8080\": must begin with https://, as in \"https://api.example.com/v1\""
)]
#[case(
    "api.example.com/v1",
    "\"api.example.com/v1\": is not a URL; write it like \"https://api.example.com/v1\""
)]
#[case("", "\"\": must not be empty; write a value, or remove the setting")]
#[case(
    "https://u:SECRET@example.com",
    "(value not shown): must hold no user name or password; the API key has its own settings"
)]
#[case(
    "https://SECRET@:0:/",
    "(value not shown): is not a URL; write it like \"https://api.example.com/v1\""
)]
#[case(
    "https://example.com?key=SECRET",
    "(value not shown): must hold no query (\"?\"); there are api.filter and api.parameters for that"
)]
#[case(
    "https://example.com#SECRET",
    "(value not shown): must hold no fragment (\"#\")"
)]
fn base_urls_refused(#[case] text: &str, #[case] message: &str) {
    let error = load(&format!("[api]\nbase_url = '{text}'"), &[]).unwrap_err();
    assert_eq!(error, format!("DIR/c.toml:2: api.base_url = {message}"));
}

#[rstest]
#[case(
    "[api]\nkey = 'SECRET'",
    "DIR/c.toml:2: api.key: the API key must not be in the configuration file"
)]
#[case(
    "[api]\napi_key = 'SECRET'",
    "DIR/c.toml:2: api.api_key: the API key must not be in"
)]
#[case(
    "[http]\ntoken = 'SECRET'",
    "DIR/c.toml:2: http.token: the token must not be in the configuration file (value not shown); "
)]
#[case(
    "[api]\ntoken = 'SECRET'",
    "DIR/c.toml:2: api.token: the API key must not be in"
)]
#[case(
    "[api]\nkey = { value = 'SECRET' }",
    "DIR/c.toml:2: api.key: the API key must not be in"
)]
#[case(
    "api_key = 'SECRET'",
    "DIR/c.toml:1: api_key: the API key must not be in"
)]
#[case(
    "'X-Api-Key' = 'SECRET'",
    "DIR/c.toml:1: X-Api-Key: the API key must not be in"
)]
#[case("[api]\nkey = SECRET", "DIR/c.toml:2: not valid TOML: ")]
#[case("[api]\nkey = 'SECRET", "DIR/c.toml:2: not valid TOML: ")]
#[case("[api]\nSECRET", "DIR/c.toml:2: not valid TOML: ")]
#[case("[api]\nkey = \"SECRET\\q\"", "DIR/c.toml:2: not valid TOML: ")]
#[case("[auth]\nkey = 'SECRET'", "DIR/c.toml:1: unknown section auth; ")]
#[case("api = 'SECRET'", "DIR/c.toml:1: api is a section; ")]
fn a_key_in_the_file_is_refused_and_not_shown(#[case] file: &str, #[case] beginning: &str) {
    let error = load(file, &[]).unwrap_err();
    assert!(error.starts_with(beginning), "{error}");
    assert!(
        !error.contains("SECRET") && !error.contains('\n'),
        "{error}"
    );
}

proptest::proptest! {
    #[test]
    fn no_syntax_error_shows_a_key(before in "[-+'\"\\\\{}\\[\\]=.,#:0-9 ]{0,5}", after in "[-+'\"\\\\{}\\[\\]=.,#:0-9 ]{0,5}") {
        for file in [format!("[api]\nkey {before}SECRET{after}\n"), format!("api.key = {before}SECRET{after}")] {
            if let Err(error) = load(&file, &[]) {
                proptest::prop_assert!(!error.contains("SECRET"), "{}", error);
            }
        }
    }
}
