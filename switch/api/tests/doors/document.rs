//! The description of the API: what it says, and that nothing else is served.

use crate::rig::{Rig, json};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use veksel_config::bridge::PERMISSIONS;

const METHODS: [&str; 5] = ["get", "post", "put", "delete", "patch"];

fn document(rig: &Rig) -> Value {
    let said = rig.get("/api/openapi.json");
    assert_eq!((said.status, said.header("content-type")), (200, "application/json"));
    json(&said)
}

/// Method, path and what is said of it.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let mut operations = Vec::new();
    for (path, methods) in paths {
        let methods = methods.as_object().unwrap().iter();
        operations.extend(methods.map(|(method, said)| (method.as_str(), path.as_str(), said)));
    }
    operations
}

/// The document as it was agreed. `UPDATE_GOLDEN=1` writes it anew; read the diff.
#[test]
fn the_document_is_the_one_that_was_agreed() {
    let document = document(&Rig::whole("hush"));
    let text = format!("{}\n", serde_json::to_string_pretty(&document).unwrap());
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/doors/openapi.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &text).unwrap();
    }
    let agreed = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(agreed == text, "the document is another one; UPDATE_GOLDEN=1 shows how");
}

#[test]
fn what_is_described_is_served_and_nothing_else() {
    let rig = Rig::whole("hush");
    let document = document(&rig);
    let operations = operations(&document);
    assert!(operations.len() >= 50, "{} operations", operations.len());
    for path in ["/holds", "/hold", "/holds/{id}", "/transactions", "/api/auth/me", "/console"] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    for (_, path, _) in &operations {
        let plain: String = path.replace(['{', '}'], "");
        for method in METHODS {
            let said = rig.send(&method.to_uppercase(), &plain, &[], "");
            let is_described = operations.iter().any(|(m, p, _)| *m == method && p == path);
            // A path that is not served has no endpoint to be counted under.
            assert_eq!(rig.counted("none", said.status), 0, "{method} {path}");
            assert_eq!(said.status != 405, is_described, "{method} {path}: {said:?}");
        }
    }
    // There is one place where routes are made.
    let mut made = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // Tests stand in files of their own, or behind everything else.
            if path.ends_with("tests.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            let ways =
                [".route(", ".route_service(", ".nest(", ".nest_service(", ".merge(", ".fallback"];
            let file = path.file_name().unwrap().to_str().unwrap();
            made.extend(
                ways.iter().filter(|way| text.contains(**way)).map(|way| format!("{file} {way}")),
            );
        }
    }
    made.sort();
    // What is not described is not found.
    assert_eq!(made, ["door.rs .fallback", "openapi.rs .route("]);
}

#[test]
fn every_operation_has_its_permission_its_errors_and_a_name_of_its_own() {
    let rig = Rig::whole("hush");
    let document = document(&rig);
    let operations = operations(&document);
    let mut names = BTreeSet::new();
    let mut permissions = BTreeSet::new();
    for (method, path, said) in &operations {
        assert!(names.insert(said["operationId"].as_str().unwrap()), "{said}");
        let responses = said["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with(['2', '3'])), "{path}");
        for status in ["400", "401", "403", "404", "405", "408", "413", "415", "500", "503"] {
            assert!(responses.contains_key(status), "{method} {path} {status}");
        }
        if path.starts_with("/api/v1/integration/") {
            let permission = said["x-permission"].as_str().unwrap();
            assert!(permissions.insert(permission.to_owned()), "{permission} twice");
            assert_eq!(said["security"][1]["bearer"][0], permission);
        }
    }
    let known: BTreeSet<String> = PERMISSIONS.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(permissions, known);
    // What a platform has to bear, by the names that are configured.
    let asked = &document["paths"]["/holds"]["post"];
    let named = asked["parameters"].as_array().unwrap().iter();
    let names: Vec<_> = named.map(|it| (it["name"].as_str().unwrap(), &it["required"])).collect();
    let yes = Value::Bool(true);
    let expected = ["x-key-id", "x-idempotency-key", "x-timestamp", "x-signature"];
    assert_eq!(names, expected.map(|name| (name, &yes)));
    // Every way in is described.
    for (method, path, said) in &operations {
        let ways = said["security"].as_array().into_iter().flatten();
        for name in ways.flat_map(|way| way.as_object().unwrap().keys()) {
            let scheme = &document["components"]["securitySchemes"][name];
            assert!(scheme.is_object(), "{method} {path}: {name}");
        }
    }
    // Every reference leads somewhere.
    let text = document.to_string();
    for part in text.split("\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
}

/// What is described is what is asked for: without the permission of a route nobody gets past its
/// door, whatever else he may do, and with it alone he does.
#[test]
fn every_permission_that_is_described_is_asked_for() {
    let rig = Rig::new();
    let document = document(&rig);
    let mut asked = BTreeSet::new();
    for (method, path, said) in operations(&document) {
        let Some(permission) = said["x-permission"].as_str() else { continue };
        asked.insert(permission.to_owned());
        let plain: String = path.replace(['{', '}'], "");
        let ask = |key: &str| {
            let headers = [("content-type", "application/json"), ("x-api-key", key)];
            let body = if method == "get" { "" } else { "{}" };
            rig.send(&method.to_uppercase(), &plain, &headers, body)
        };
        let refused = ask(&format!("all-but-{permission}"));
        assert_eq!(refused.status, 403, "{method} {path}: {refused:?}");
        let error = &json(&refused)["error"];
        assert_eq!(error["code"], "forbidden", "{method} {path}");
        assert!(error["message"].as_str().unwrap().contains(permission), "{method} {path}");
        let heard = ask(&format!("only-{permission}"));
        assert!(![401, 403, 500].contains(&heard.status), "{method} {path}: {heard:?}");
        assert_eq!(ask("nobody").status, 401, "{method} {path}");
    }
    let known: BTreeSet<String> = PERMISSIONS.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(asked, known);
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let rig = Rig::new();
    let page = rig.get("/api/docs");
    assert!(page.status == 200 && page.body.contains("/api/docs/page.js"), "{page:?}");
    for path in ["/api/docs", "/api/docs/page.js", "/api/docs/page.css"] {
        let said = rig.get(path);
        assert_eq!(said.status, 200, "{path}");
        assert!(said.header("content-security-policy").starts_with("default-src 'none'"));
        for foreign in ["http://", "https://", "src=\"//", "@import", "innerHTML"] {
            assert!(!said.body.contains(foreign), "{path}: {foreign}");
        }
    }
}

#[test]
fn callers_without_an_engine_are_told_that_it_is_busy() {
    let rig = Rig::new();
    let headers = [("content-type", "application/json"), ("x-api-key", "app-key")];
    let path = "/api/v1/integration/account/balance";
    let said = rig.send("POST", path, &headers, r#"{"account":"1"}"#);
    assert_eq!((said.status, said.header("retry-after")), (503, "1"), "{said:?}");
    assert_eq!(json(&said)["error"]["code"], "busy");
}
