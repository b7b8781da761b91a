//! The example of a container, as its Dockerfile has it: the files that it copies,
//! the command that it starts, and its health check, which the quadlet repeats.

use ham_tests::container::{Container, How, Image};
use ham_tests::own_units::wait_until;
use ham_tests::programs::repository;
use std::fs;

fn example(name: &str) -> String {
    let file = repository().join("units/examples/container").join(name);
    fs::read_to_string(file).expect("a file of the example")
}

/// The words of an instruction in its exec form.
fn words(dockerfile: &str, instruction: &str) -> Vec<String> {
    let line = dockerfile.lines().find(|line| line.starts_with(instruction)).expect(instruction);
    serde_json::from_str(&line[line.find('[').expect("the exec form")..]).expect("words")
}

#[test]
fn what_the_dockerfile_says_runs_and_serves() {
    let Some(image) = Image::new("container-example") else { return };
    let dockerfile = example("Dockerfile");
    assert!(dockerfile.contains("COPY units/examples/container/*.toml /etc/ham/\n"));
    let folder = repository().join("units/examples/container");
    let mut units = 0;
    for entry in fs::read_dir(folder).expect("the example").flatten() {
        let name = entry.file_name().into_string().expect("a plain name");
        if let Some(name) = name.strip_suffix(".toml") {
            let text = fs::read_to_string(entry.path()).expect("a unit");
            let schema = "#:schema ../../../schema/ham.unit.schema.json\n# ";
            assert!(text.starts_with(schema), "{name}");
            image.unit(name, &text);
            units += 1;
        }
    }
    let command = words(&dockerfile, "ENTRYPOINT");
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let mut container = Container::run(&image, How { command: &command, ..How::default() });
    container.wait_for_output("clock: page written\n");
    container.wait_for_log("web: started");

    let check = container.execute(&["hamctl", "check"]);
    let said = String::from_utf8_lossy(&check.stdout);
    let good = format!("{units} good units, no errors, no warnings\n");
    assert!(check.status.success() && said == good, "{said}");

    let get = |page: &str| {
        let url = format!("http://127.0.0.1:8080/{page}");
        let output = container.execute(&["busybox", "wget", "-q", "-O", "-", &url]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    wait_until("its page", || get("index.html") == "served from a container\n");
    assert!(get("now").ends_with('\n'));

    let health = words(&dockerfile, "HEALTHCHECK");
    assert!(
        example("ham-example.container").contains(&format!("\nHealthCmd={}\n", health.join(" ")))
    );
    let health: Vec<&str> = health.iter().map(String::as_str).collect();
    assert_eq!(container.execute(&health).status.code(), Some(0), "{}", container.log());

    // Killed, it is brought back, and the container goes on.
    assert!(container.execute(&["hamctl", "kill", "-s", "KILL", "web"]).status.success());
    container.wait_for_log("web: restarted");
    wait_until("its page again", || get("index.html") == "served from a container\n");
    assert_eq!(container.stop().expect("in time").code(), Some(0), "{}", container.log());
}

/// The quadlet takes every right away and makes the root read-only.
#[test]
fn what_the_quadlet_leaves_is_enough() {
    let quadlet = example("ham-example.container");
    for line in ["ReadOnly=true", "DropCapability=all", "NoNewPrivileges=true"] {
        assert!(quadlet.lines().any(|found| found == line), "{line}");
    }
    let Some(image) = Image::new("container-quadlet") else { return };
    for name in ["pages", "web", "clock"] {
        image.unit(name, &example(&format!("{name}.toml")));
    }
    let mut container = Container::run(&image, How { powerless: true, ..How::default() });
    container.wait_for_output("clock: page written\n");
    container.wait_for_log("web: started");
    let health = container.execute(&["hamctl", "is-healthy"]);
    assert_eq!(health.status.code(), Some(0), "{}", container.log());
    assert_eq!(container.stop().expect("in time").code(), Some(0), "{}", container.log());
}
