//! TLS and identity from outside: processes of their own, certificates of `veksel certs dev`, and
//! what a tester sees who has the right one, the wrong one or none.

#![expect(clippy::unwrap_used, reason = "that is how tests fail")]
#![expect(clippy::print_stderr, reason = "a figure must be seen")]
#![cfg(unix)]

#[path = "stage/stage.rs"]
mod stage;

use stage::{PATIENCE, Rig, free_port, read_only, until, veksel};
use std::net::TcpStream;
use std::path::Path;
use veksel_config::DialTls;
use veksel_link::TlsClient;

/// Writes certificates and changes the files of a rig so that everything is encrypted and everybody
/// is known. Two participants share the listener; `other` may only be institution 600002.
fn encrypt(rig: &Rig) -> String {
    let folder = rig.file("certs").display().to_string();
    let made =
        veksel(&["certs", "dev", &folder, "--participant", "channels", "--participant", "other"]);
    let printed = String::from_utf8(made.stdout).unwrap();
    assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(printed.contains("sans = [\"URI:urn:veksel:test:other\"]"), "{printed}");
    let change = |name: &str, change: &dyn Fn(String) -> String| {
        let text = std::fs::read_to_string(rig.file(name)).unwrap();
        std::fs::write(rig.file(name), change(text)).unwrap();
    };
    change("switch.toml", &|text| {
        text.replace(
            "[[listener]]",
            "sans = [\"URI:urn:veksel:test:channels\"]\nterminals = [\"*\"]\n\n\
             [[participant]]\nname = \"other\"\nsans = [\"URI:urn:veksel:test:other\"]\n\
             acquirers = [\"600002\"]\n\n[[listener]]\nparticipants = [\"other\"]",
        )
        .replace(
            "[[group]]",
            "[listener.tls]\nenabled = true\ncertificate = \"certs/server.pem\"\n\
             key = \"certs/server.key\"\nca = [\"certs/ca.pem\"]\n\n[[group]]",
        )
        .replace(
            "[group.session]",
            "[group.tls]\nenabled = true\nca = [\"certs/ca.pem\"]\n\
             certificate = \"certs/client.pem\"\nkey = \"certs/client.key\"\n\n[group.session]",
        )
    });
    let switch = rig.to();
    change("simulator.toml", &|text| {
        format!(
            "{text}\n[bank.tls]\nenabled = true\ncertificate = \"certs/server.pem\"\n\
             key = \"certs/server.key\"\nca = [\"certs/ca.pem\"]\n\n\
             [terminals]\nconnect = \"{switch}\"\nrate = 20\nconnections = 2\n\
             [terminals.tls]\nenabled = true\nca = [\"certs/ca.pem\"]\n\
             certificate = \"certs/channels.pem\"\nkey = \"certs/channels.key\"\n"
        )
    });
    folder
}

/// `--tls` as this participant.
fn flag(folder: &str, who: &str) -> String {
    format!("{folder}/ca.pem,certificate={folder}/{who}.pem,key={folder}/{who}.key")
}

/// What `veksel send balance` says, and how it ends.
fn balance(rig: &Rig, more: &[&str]) -> (Option<i32>, String) {
    let to = rig.to();
    let fixed = ["send", "balance", "--account", "10000000002", "--to", &to, "--timeout", "5s"];
    let ran = veksel(&[&fixed[..], more].concat());
    let text =
        format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    (ran.status.code(), text)
}

fn handshakes(rig: &Rig, result: &str) -> f64 {
    rig.metric("veksel_tls_handshakes_total", &format!("link=\"channels\",result=\"{result}\""))
}

#[test]
fn only_who_has_the_right_certificate_is_served_and_only_as_himself() {
    let mut rig = Rig::prepare(|_| {});
    let certs = encrypt(&rig);
    rig.start_bank();
    rig.start_switch();

    let (code, printed) = balance(&rig, &["--tls", &flag(&certs, "channels")]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("response 00 approved"), "{printed}");

    // The doctor shakes hands with what it is given, and says what is missing.
    let examined = |more: &[&str]| {
        let to = rig.to();
        let ran = veksel(&[&["doctor", "tcp", to.as_str(), "--timeout", "1s"][..], more].concat());
        (ran.status.code(), String::from_utf8(ran.stdout).unwrap())
    };
    let (code, said) = examined(&["--tls", &flag(&certs, "channels")]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("TLS 1.3") && said.contains("is understood"), "{said}");
    let (code, said) = examined(&["--tls", &format!("{certs}/ca.pem")]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("a certificate that it wants"), "{said}");
    let (code, said) = examined(&[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("give --tls"), "{said}");

    // None at all, TLS without a certificate, and one for another use.
    let only_ca = format!("{certs}/ca.pem");
    for (more, result) in [
        (vec![], "protocol"),
        (vec!["--tls", only_ca.as_str()], "no_certificate"),
        (vec!["--tls", &flag(&certs, "server")], "certificate"),
        (vec!["--tls", &flag(&certs, "client")], "stranger"),
    ] {
        let (code, printed) = balance(&rig, &more);
        assert_eq!(code, Some(1), "{more:?}: {printed}");
        assert!(!printed.contains("response"), "{more:?}: {printed}");
        until(result, PATIENCE, || (handshakes(&rig, result) >= 1.0).then_some(()));
    }
    assert!(veksel_says_why(&rig, &certs), "the reason must be told");

    // The right certificate, and the institution of somebody else.
    let flags = flag(&certs, "other");
    let as_other = |acquirer| balance(&rig, &["--tls", &flags, "--acquirer", acquirer]);
    let (code, printed) = as_other("500001");
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("response 58"), "{printed}");
    let (code, printed) = as_other("600002");
    assert_eq!(code, Some(0), "{printed}");
    assert!((0.5..1.5).contains(&rig.metric("veksel_ungranted_total", "field=\"32\"")));

    // Terminals and the bank speak TLS too.
    until("traffic of the terminals", PATIENCE, || {
        (rig.metric("veksel_requests_total", "link=\"channels\"") > 20.0).then_some(())
    });
    idle_sessions(&rig, &certs);
    listed(&rig);
    // The terminals first: what they ask while the switch ends is answered by nobody.
    let bank = rig.bank.take().unwrap();
    bank.signal("TERM");
    assert_eq!(bank.end(PATIENCE), Some(0));
    rig.stop();
    let audit = "SELECT count(*) FROM v_audit WHERE action = 'not-granted'
                 AND detail LIKE 'participant other sent 0200 with DE32%'";
    let count: u64 = read_only(&rig.journal()).query_row(audit, [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
}

/// Somebody who is refused is told by an alert and not by silence.
fn veksel_says_why(rig: &Rig, certs: &str) -> bool {
    let (_, printed) = balance(rig, &["--tls", &format!("{certs}/ca.pem")]);
    let (_, misnamed) = balance(rig, &["--tls", &format!("{certs}/ca.pem,name=bank.example")]);
    printed.contains("CertificateRequired")
        && misnamed.contains("no TLS with")
        && misnamed.contains("not valid for name")
}

/// What many sessions that say nothing cost the switch, each.
fn idle_sessions(rig: &Rig, certs: &str) {
    let path = |name: &str| Path::new(certs).join(name);
    let tls = DialTls {
        ca: vec![path("ca.pem")],
        crls: Vec::new(),
        pins: Vec::new(),
        name: None,
        own: Some((path("channels.pem"), path("channels.key"))),
        handshake_ms: 20_000,
    };
    let client = TlsClient::load(&tls, "127.0.0.1").unwrap();
    let open = |count: usize| -> Vec<_> {
        let connect = |_| client.blocking(TcpStream::connect(rig.to()).unwrap()).unwrap();
        (0..count).map(connect).collect()
    };
    let resident = || rig.switch.as_ref().unwrap().resident();
    let connections = || rig.metric("veksel_link_connections", "link=\"channels\"");
    let before_any = connections();
    let first = open(200);
    until("the first sessions", PATIENCE, || (connections() >= before_any + 200.0).then_some(()));
    let before = resident();
    let count: u32 = 1_000;
    let more = open(count as usize);
    until("the other sessions", PATIENCE, || (connections() >= before_any + 1_200.0).then_some(()));
    let each = resident().saturating_sub(before) / u64::from(count);
    eprintln!("an idle session with certificates on both sides: {each} bytes resident");
    assert!(each < 32 * 1_024, "{each} bytes (guarantees G9)");
    drop((first, more));
}

fn listed(rig: &Rig) {
    let config = rig.file("switch.toml").display().to_string();
    let ran = veksel(&["certs", "--config", &config]);
    let (out, err) =
        (String::from_utf8(ran.stdout).unwrap(), String::from_utf8_lossy(&ran.stderr).into_owned());
    assert_eq!((ran.status.code(), err.as_str()), (Some(0), ""), "{out}");
    for expected in ["Veksel test CA", "DNS:localhost", "IP:127.0.0.1", "URI:urn:veksel:test:other"]
    {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    let ran = veksel(&["certs", "--config", &config, "--json", "--warn-days", "100"]);
    assert_eq!(ran.status.code(), Some(0), "what ends soon is still valid");
    let json: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let all = json["certificates"].as_array().unwrap();
    let own = all.iter().find(|one| one["link"] == "channels" && one["what"] == "own").unwrap();
    assert_eq!((&own["days_left"], &own["state"]), (&89.into(), &"ends_soon".into()));
    assert_eq!(own["pin"].as_str().unwrap().len(), 64);
    assert!(all.iter().any(|one| one["link"] == "cbs.1" && one["what"] == "ca"));
    let err = String::from_utf8_lossy(&ran.stderr);
    assert!(err.contains("ends in 89 days"), "{err}");
}

#[test]
fn a_second_run_overwrites_nothing_and_a_check_reads_the_files() {
    let rig = Rig::prepare(|_| {});
    let certs = encrypt(&rig);
    let before = std::fs::read(Path::new(&certs).join("ca.key")).unwrap();
    let again = veksel(&["certs", "dev", &certs]);
    let err = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(again.status.code(), Some(1), "{err}");
    assert!(
        err.contains("ca.pem is there already") && err.contains("nothing was written"),
        "{err}"
    );
    assert_eq!(before, std::fs::read(Path::new(&certs).join("ca.key")).unwrap());

    let config = rig.file("switch.toml").display().to_string();
    let check = || {
        let ran = veksel(&["check", "--config", &config]);
        (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    assert_eq!(check(), (Some(0), String::new()));
    // The key of another certificate, and a file that is none.
    let file = |name: &str| Path::new(&certs).join(name);
    std::fs::copy(file("client.key"), file("server.key")).unwrap();
    std::fs::write(file("client.pem"), "nothing").unwrap();
    let (code, err) = check();
    assert_eq!(code, Some(64), "{err}");
    assert!(err.contains("is not that of the certificate in"), "{err}");
    assert!(err.contains("client.pem holds no certificate in PEM: there is none"), "{err}");
    let started = veksel(&["run", "--config", &config]);
    assert_ne!(started.status.code(), Some(0));
    let listed = veksel(&["certs", "--config", &config]);
    assert_eq!(listed.status.code(), Some(64));
}

#[test]
fn http_speaks_tls_and_the_tools_with_it() {
    let mut rig = Rig::prepare(|_| {});
    let certs = rig.file("certs").display().to_string();
    assert_eq!(veksel(&["certs", "dev", &certs]).status.code(), Some(0));
    let elsewhere = rig.file("elsewhere").display().to_string();
    assert_eq!(veksel(&["certs", "dev", &elsewhere]).status.code(), Some(0));
    let http = format!("127.0.0.1:{}", free_port());
    let text = std::fs::read_to_string(rig.file("switch.toml")).unwrap();
    let text = format!(
        "{text}\n[http]\nlisten = \"{http}\"\npublic_url = \"https://{http}\"\n[http.tls]\n\
         enabled = true\ncertificate = \"certs/server.pem\"\nkey = \"certs/server.key\"\n"
    );
    std::fs::write(rig.file("switch.toml"), text).unwrap();
    let config = rig.file("switch.toml").display().to_string();
    let listed = veksel(&["certs", "--config", &config, "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["certificates"][0]["link"], "http", "{listed}");
    rig.start_bank();
    rig.start_switch();
    let ask = |more: &[&str]| {
        let ran = veksel(&[&["accounts", "show", "10000000001"][..], more].concat());
        assert_eq!(ran.status.code(), Some(1), "no account is linked");
        String::from_utf8(ran.stderr).unwrap()
    };
    let (ca, other) = (format!("{certs}/ca.pem"), format!("{elsewhere}/ca.pem"));
    // By the certificate that the configuration names, by its CA, by another, and without.
    for (more, expected) in [
        (vec!["--config", config.as_str()], "is not known here"),
        (vec!["--http", &http, "--tls", &ca], "is not known here"),
        (vec!["--http", &http, "--tls", &other], "no TLS with"),
        (vec!["--http", &http], "--tls if it speaks TLS"),
    ] {
        let said = ask(&more);
        assert!(said.contains(expected), "{more:?}: {said}");
    }
    let label = "link=\"http\",result=\"alert\"";
    until("the handshake that failed to be counted", PATIENCE, || {
        (rig.metric("veksel_tls_handshakes_total", label) >= 1.0).then_some(())
    });
    rig.stop();

    // The key of another certificate.
    std::fs::copy(format!("{certs}/client.key"), format!("{certs}/server.key")).unwrap();
    let checked = veksel(&["check", "--config", &config]);
    let said = String::from_utf8_lossy(&checked.stderr);
    assert_eq!(checked.status.code(), Some(64), "{said}");
    assert!(said.contains("is not that of the certificate in"), "{said}");
}
