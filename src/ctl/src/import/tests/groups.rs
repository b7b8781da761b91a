//! Group by group.

use super::{Outcome, body, named, outcomes, service};

/// Lines of `[Service]`, and the lines of the unit.
#[track_caller]
fn becomes(lines: &str, unit: &str) {
    assert_eq!(service(lines), unit, "{lines}");
}

#[test]
fn restarts() {
    becomes("Restart=always", "restart = \"always\"");
    becomes("Restart=on-failure", "restart = \"on-failure\"");
    becomes(
        "Restart=on-failure\nRestartSec=5",
        "[[condition]]\non = \"failure\"\nactions = [ { restart = { delays = [\"5s\"] } } ]",
    );
    becomes(
        "Restart=on-abnormal\nStartLimitBurst=3\nStartLimitInterval=1min",
        "[[condition]]\non = \"abnormal-death\"\n\
         actions = [ { restart = { limit = { count = 3, within = \"1min\" } } } ]",
    );
    becomes(
        "Restart=always\nRestartSec=1s\nRestartSteps=3\nRestartMaxDelaySec=8s",
        "[[condition]]\non = \"death\"\n\
         actions = [ { restart = { delays = [\"1s\", \"2s\", \"4s\", \"8s\"] } } ]",
    );
    becomes(
        "Restart=always\nRestartSec=1s\nRestartSteps=20\nRestartMaxDelaySec=60s",
        "[[condition]]\non = \"death\"\nactions = [ { restart = { first = \"1s\", delay = \
         \"1227ms\", factor = 1.227, max-delay = \"1min\" } } ]",
    );
    becomes("Restart=no\nRestartSec=3", "");
    becomes("Restart=always\nStartLimitIntervalSec=0", "restart = \"always\"");
}

#[test]
fn the_end_of_restarts() {
    let unit = named(
        "a.service",
        "[Unit]\nOnFailure=tell@%n.service\nStartLimitAction=reboot\n[Service]\n\
         ExecStart=/bin/a\nRestart=always\n",
    );
    let expected = "[[condition]]\nname = \"gave-up\"\non = \"restart-limit\"\nactions = [\n    \
                    { start = \"tell@a.service\" },\n    { reboot = {} },\n]";
    assert!(unit.text.contains(expected), "{}", unit.text);
    // systemd's own limit, without which nothing would ever give up.
    assert!(unit.text.contains("limit = { count = 5, within = \"10s\" }"), "{}", unit.text);
    let unit = named("a.service", "[Unit]\nOnFailure=b.service\n[Service]\nExecStart=/bin/a\n");
    assert!(
        unit.text.contains("on = \"failure\"\nactions = [ { start = \"b\" } ]"),
        "{}",
        unit.text
    );
}

#[test]
fn kinds() {
    becomes("Type=notify", "ready = \"notify\"");
    becomes(
        "Type=notify-reload\nReloadSignal=USR1",
        "ready = \"notify\"\nreload = [\n    { notify-signal = { signal = \"USR1\" } },\n    \
         { waitfor = { ready = true, timeout = \"90s\" } },\n]",
    );
    becomes("Type=oneshot\nRemainAfterExit=yes", "type = \"oneshot\"\nremain = true");
    becomes("Type=forking\nPIDFile=a.pid", "type = \"forking\"\npid-file = \"/run/a.pid\"");
    becomes("TimeoutStartSec=0", "start-timeout = \"infinity\"");
    becomes("NotifyAccess=all\nFileDescriptorStoreMax=8", "notify-access = \"all\"\nfd-store = 8");
    becomes(
        "WatchdogSec=30\nWatchdogSignal=TERM",
        "[heartbeat]\ninterval = \"30s\"\nlow = 0\nhigh = 1\n\n[[condition]]\n\
         on = \"heartbeat-missed-high\"\nactions = [ { notify-signal = { signal = \"TERM\" } } ]",
    );
}

#[test]
fn a_forking_service_needs_its_file() {
    let text = "[Service]\nType=forking\nExecStart=/bin/a --pidfile=/run/x/a.pid\n";
    let unit = named("a.service", text);
    assert!(body(&unit).contains("pid-file = \"/run/x/a.pid\""), "{}", unit.text);
    assert_eq!(outcomes(&unit, "PIDFile (not set)"), [Outcome::Approximated]);
    let unit = named("a.service", "[Service]\nType=forking\nExecStart=/bin/a\n");
    assert!(body(&unit).contains("pid-file = \"/run/a.pid\""), "{}", unit.text);
    assert_eq!(outcomes(&unit, "PIDFile (not set)"), [Outcome::NoEquivalent]);
}

#[test]
fn commands() {
    becomes(
        "ExecStart=\nExecStart=/bin/b ${X}y $$z\nEnvironment=X=1 \"Y=a b\"",
        "command = [\"/bin/b\", \"${X}y\", \"$$z\"]\nexpand = true\n\
         environment = { X = \"1\", Y = \"a b\" }",
    );
    becomes(
        "ExecStartPre=-/bin/b 'x {y}' \\\n  z\nExecStopPost=/bin/c ${D}",
        "pre-start = [ { execute = [\"/bin/b\", \"x {{y}}\", \"z\"], break-on-fail = false } ]\n\
         post-stop = [ { execute = [\"/bin/sh\", \"-c\", \"set -f; exec /bin/c \\\"$D\\\"\"] } ]",
    );
    becomes(
        "ExecReload=/bin/b -t\nExecReload=/bin/kill -USR2 $MAINPID",
        "reload = [\n    { execute = [\"/bin/b\", \"-t\"] },\n    \
         { notify-signal = { signal = \"USR2\" } },\n]",
    );
    becomes(
        "ExecReload=/bin/b --pid=${MAINPID} $MAINPID",
        "reload = [ { execute = [\"/bin/b\", \"--pid={pid}\", \"{pid}\"] } ]",
    );
    becomes(
        "User=me\nExecStartPre=+/bin/b\nExecStartPre=/bin/c\nExecStartPost=/bin/d\nTimeoutStartSec=2min",
        "start-timeout = \"2min\"\npre-start = [\n    \
         { execute = { command = [\"/bin/b\"], user = \"root\", timeout = \"2min\" } },\n    \
         { execute = { command = [\"/bin/c\"], timeout = \"2min\" } },\n]\nuser = \"me\"\n\n\
         [[condition]]\nname = \"start-post\"\non = \"ready\"\n\
         actions = [ { execute = { command = [\"/bin/d\"], user = \"me\", timeout = \"2min\" } } ]",
    );
}

#[test]
fn a_oneshot_of_several_commands() {
    becomes(
        "Type=oneshot\nExecStart=-/bin/b ; /bin/c\nExecStart=-/bin/d 'e f'",
        "type = \"oneshot\"\ncommand = [\"/bin/sh\", \"-c\", \"/bin/d 'e f' || true\"]\n\
         pre-start = [\n    \
         { execute = { command = [\"/bin/a\"], timeout = \"infinity\" } },\n    \
         { execute = { command = [\"/bin/b\"], timeout = \"infinity\" }, break-on-fail = false },\n    \
         { execute = { command = [\"/bin/c\"], timeout = \"infinity\" } },\n]",
    );
    let unit = named("a.service", "[Service]\nExecStop=/bin/b\nRemainAfterExit=yes\n");
    assert!(unit.text.contains("type = \"oneshot\"\nremain = true\ncommand = \"/bin/true\"\n"));
}

#[test]
fn a_command_that_begins_as_root() {
    becomes(
        "User=me\nExecStart=\nExecStart=!/bin/b\nStateDirectory=x\nExecStartPre=/bin/c",
        "command = \"/bin/b\"\npre-start = [\n    \
         { execute = [\"install\", \"-d\", \"-m\", \"0755\", \"/var/lib/x\"] },\n    \
         { execute = [\"chown\", \"me:\", \"/var/lib/x\"] },\n    \
         { execute = { command = [\"/bin/c\"], user = \"me\" } },\n]",
    );
}

#[test]
fn stops() {
    let stop = |lines: &str| {
        let text =
            format!("[Service]\nExecStart=/bin/a\n{lines}\n[Install]\nWantedBy=default.target");
        let body = body(&named("a.service", &text));
        body.strip_prefix("stop = ").unwrap_or(&body).to_owned()
    };
    assert_eq!(stop(""), "{ send-to = \"all\", timeout = \"90s\" }");
    assert_eq!(
        stop("KillMode=mixed\nKillSignal=SIGINT\nTimeoutSec=10"),
        "start-timeout = \"10s\"\nstop = { signal = \"INT\", timeout = \"10s\" }"
    );
    assert_eq!(
        stop("KillMode=process\nTimeoutStopSec=0"),
        "{ timeout = \"infinity\", kill = \"main\" }"
    );
    assert_eq!(stop("SendSIGKILL=no"), "{ send-to = \"all\", timeout = \"90s\", kill = \"none\" }");
    assert_eq!(
        stop("ExecStop=/bin/kill -QUIT $MAINPID"),
        "{ signal = \"QUIT\", send-to = \"all\", timeout = \"90s\" }"
    );
    assert_eq!(
        stop("KillMode=mixed\nExecStop=/bin/b {x} $MAINPID\nTimeoutStopSec=1h"),
        "{ command = { command = [\"/bin/b\", \"{{x}}\", \"{pid}\"], timeout = \"1h\" }, \
         timeout = \"1h\" }"
    );
    assert_eq!(
        stop("KillMode=mixed\nExecStop=-/bin/b\nExecStop=/bin/c $X"),
        "{ command = [\"/bin/sh\", \"-c\", \"{{ /bin/b || true; }} && /bin/c $X\"], \
         timeout = \"90s\" }"
    );
}

#[test]
fn ends() {
    becomes(
        "SuccessExitStatus=143 TEMPFAIL SIGUSR1 0\nRestartPreventExitStatus=0 255",
        "success-exit = [143, 75, \"USR1\"]\nno-restart-exit = [0, 255]",
    );
}

#[test]
fn identity_and_environment() {
    becomes(
        "User=me\nGroup=us\nSupplementaryGroups=a b\nUMask=7\nWorkingDirectory=/srv",
        "user = \"me\"\ngroup = \"us\"\ngroups = [\"a\", \"b\"]\ndirectory = \"/srv\"\n\
         umask = \"0007\"",
    );
    becomes("User=root\nGroup=root", "");
    becomes("DynamicUser=yes", "user = \"nobody\"");
    becomes(
        "Environment=A=1 B=2\nEnvironment=A=3 C=\"%h\"\nUnsetEnvironment=B\nPassEnvironment=LANG TZ\n\
         EnvironmentFile=/etc/a\nEnvironmentFile=\nEnvironmentFile=-/etc/b",
        "environment = { A = \"3\", C = \"/root\" }\nenvironment-file = \"-/etc/b\"\n\
         inherit-environment = [\"LANG\", \"TZ\"]",
    );
}

#[test]
fn directories_and_streams() {
    becomes(
        "RuntimeDirectory=a b/c\nRuntimeDirectoryMode=0750\nRuntimeDirectoryPreserve=restart\n\
         StateDirectory=a/\nCacheDirectory=a\nCacheDirectoryMode=700\nLogsDirectory=l",
        "runtime-directory = { names = [\"a\", \"b/c\"], mode = \"0750\", keep = \"restart\" }\n\
         state-directory = \"a\"\ncache-directory = { name = \"a\", mode = \"0700\" }\n\
         logs-directory = \"l\"",
    );
    becomes("StandardOutput=null", "stdout = \"null\"\nstderr = \"same\"");
    becomes(
        "StandardInput=file:/in\nStandardOutput=append:%L/a\nStandardError=journal",
        "stdin = { file = \"/in\" }\nstdout = { file = \"/var/log/a\" }\nstderr = \"journal\"\n\
         optional = [\"journal\"]",
    );
    becomes("StandardInput=tty", "tty = \"/dev/console\"");
    becomes(
        "StandardInput=tty-force\nStandardOutput=inherit\nStandardError=journal\n\
         TTYPath=/dev/tty7\nTTYVHangup=yes\nTTYReset=yes",
        "tty = { path = \"/dev/tty7\", hang-up = true }",
    );
    becomes("TTYPath=/dev/tty7\nStandardOutput=null", "stdout = \"null\"\nstderr = \"same\"");
}

#[test]
fn the_process() {
    becomes(
        "Nice=-5\nOOMScoreAdjust=-900\nCPUSchedulingPolicy=rr\nCPUSchedulingPriority=7\n\
         CPUSchedulingResetOnFork=yes\nCPUAffinity=0 2-3\nCPUAffinity=5,6\nNoNewPrivileges=yes\n\
         LimitNOFILE=1024:4096\nLimitCORE=infinity\nLimitCPU=90",
        "limits = { core = \"infinity\", cpu = \"90s\", nofile = \"1024:4096\" }\nnice = -5\n\
         scheduling = { policy = \"round-robin\", priority = 7, reset-on-fork = true }\n\
         affinity = [0, \"2-3\", 5, 6]\noom-score-adjust = -900\nno-new-privileges = true\n\
         optional = [\"oom-score-adjust\", \"limits\"]",
    );
    becomes("CPUSchedulingPolicy=idle", "scheduling = \"idle\"");
    becomes("CapabilityBoundingSet=", "capabilities = { bounding = [] }");
    becomes(
        "CapabilityBoundingSet=CAP_CHOWN CAP_KILL\nCapabilityBoundingSet=~CAP_KILL\n\
         AmbientCapabilities=CAP_CHOWN CAP_KILL",
        "capabilities = { bounding = [\"CHOWN\"], ambient = [\"CHOWN\"] }",
    );
    let most = service("CapabilityBoundingSet=~CAP_SYS_ADMIN");
    assert!(most.contains("\"SYS_BOOT\"") && !most.contains("\"SYS_ADMIN\""), "{most}");
}

#[test]
fn order() {
    let unit = |lines: &str| {
        let text = format!(
            "[Unit]\n{lines}\n[Service]\nExecStart=/bin/a\nKillMode=mixed\nTimeoutStopSec=5"
        );
        let body = body(&named("a.service", &text));
        body.replace("start = \"manual\"", "").trim().to_owned()
    };
    assert_eq!(
        unit(
            "Requires=b.service\nWants=c.service\nAfter=b.service c.service d.service\n\
              Before=e.service\nConflicts=f.service g.target shutdown.target"
        ),
        "requires = \"b\"\nwants = \"c?\"\nafter = \"d?\"\nbefore = \"e?\"\n\
         conflicts = [\"f?\", \"g?\"]\non-dependency-restart = \"restart\""
    );
    // What is not imported must not be required.
    assert_eq!(unit("Requires=mine.target\nAfter=mine.target"), "wants = \"mine?\"");
    assert_eq!(unit("BindsTo=dev-ttyS0.device"), "start-when = { path = \"/dev/ttyS0\" }");
    assert_eq!(unit("Wants=network-online.target a.service\nAfter=network.target"), "");
    // What is wanted comes first in ham, so it cannot come after.
    assert_eq!(unit("Wants=b.service\nBefore=b.service"), "before = \"b?\"");
}

#[test]
fn conditions() {
    let unit = named(
        "a.service",
        "[Unit]\nConditionPathExists=/etc/a\nConditionPathExists=!/etc/not\n\
         AssertFileNotEmpty=/etc/b c\nConditionDirectoryNotEmpty=!/etc/d\nConditionPathExists=|/x\n\
         ConditionVirtualization=!container\n[Service]\nExecStart=/bin/a\n",
    );
    let body = body(&unit);
    for expected in [
        "start-when = { path = \"/etc/a\" }",
        "{ execute = [\"test\", \"!\", \"-e\", \"/etc/not\"] }",
        "{ execute = [\"test\", \"-s\", \"/etc/b c\"] }",
        "{ execute = [\"sh\", \"-c\", \"! ( test -n \\\"$(ls -A /etc/d)\\\" )\"] }",
    ] {
        assert!(body.contains(expected), "{expected}\n{body}");
    }
    let all = outcomes(&unit, "ConditionPathExists");
    assert_eq!(all, [Outcome::Approximated, Outcome::Approximated, Outcome::NoEquivalent]);
    assert_eq!(outcomes(&unit, "ConditionVirtualization"), [Outcome::NoEquivalent]);
}

#[test]
fn what_starts_by_itself() {
    let start = |install: &str| {
        let text = format!("[Service]\nExecStart=/bin/a\n{install}");
        named("a.service", &text).text.contains("start = \"manual\"")
    };
    assert!(!start("[Install]\nWantedBy=multi-user.target\n"));
    assert!(start(""));
    assert!(start("[Install]\nWantedBy=other.service\n"));
}

#[test]
fn the_sandbox_is_missed_only_where_it_is_asked_for() {
    let unit = named("a.service", "[Service]\nExecStart=/bin/a\nPrivateTmp=no\nProtectHome=yes\n");
    assert_eq!(outcomes(&unit, "PrivateTmp"), [Outcome::NoMeaning]);
    assert_eq!(outcomes(&unit, "ProtectHome"), [Outcome::NoEquivalent]);
    assert!(unit.text.contains("# systemd: no equivalent: ProtectHome=\n"), "{}", unit.text);
}
