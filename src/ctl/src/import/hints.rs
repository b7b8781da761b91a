//! Keys that ham has nothing for: what that means, and what to do instead.

/// What is said about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// Nothing is lost.
    NoMeaning(&'static str),
    /// Something is; unless the value asks for nothing.
    Lost(&'static str),
    /// It is so by and large without a key.
    Near(&'static str),
}

use Hint::{Lost, Near, NoMeaning};

/// Keys by what is said about them.
pub(crate) const HINTS: [(&[&str], Hint); 20] = [
    (
        &[
            "BusName", "CollectMode", "JobRunningTimeoutSec", "JobTimeoutAction", "JobTimeoutSec",
            "JobTimeoutRebootArgument", "OnFailureJobMode", "OnSuccessJobMode", "RebootArgument",
            "FailureActionExitStatus", "SuccessActionExitStatus", "SourcePath",
            "SysVStartPriority", "SurviveFinalKillSignal", "UtmpIdentifier", "UtmpMode",
            "TimeoutStartFailureMode", "TimeoutStopFailureMode", "ExitType",
            "RootDirectoryStartOnly", "FileDescriptorStorePreserve", "SetLoginEnvironment",
        ],
        NoMeaning("of no meaning for what is supervised"),
    ),
    (
        &["RequiresMountsFor", "WantsMountsFor"],
        NoMeaning("ham mounts nothing: start it when all is mounted, or use `start-when`"),
    ),
    (&["JoinsNamespaceOf"], Lost("there are no namespaces of services")),
    (&["SuccessAction"], Lost("a condition on `finished` with `shutdown` or `reboot` does it")),
    (&["TimeoutAbortSec"], Near("`stop.timeout` counts for every stop")),
    (&["RuntimeMaxSec", "RuntimeRandomizedExtraSec"], Lost("nothing ends it after a time: use timeout(1)")),
    (&["NonBlocking", "Sockets", "OpenFile", "USBFunctionDescriptors", "USBFunctionStrings"],
     Lost("ham hands over no sockets or files: let the service open them")),
    (&["IgnoreSIGPIPE"], Near("SIGPIPE is as the kernel has it: it ends the process")),
    (
        &[
            "SyslogIdentifier", "SyslogFacility", "SyslogLevel", "SyslogLevelPrefix",
            "LogLevelMax", "LogExtraFields", "LogNamespace", "LogFilterPatterns",
            "LogRateLimitIntervalSec", "LogRateLimitBurst",
        ],
        NoMeaning("lines have the name of the entity, and are neither sorted nor thinned"),
    ),
    (
        &["TTYPath", "TTYReset", "TTYVHangup", "TTYVTDisallocate", "TTYColumns", "TTYRows"],
        Lost("ham gives no terminal to a service"),
    ),
    (
        &[
            "IOSchedulingClass", "IOSchedulingPriority", "TimerSlackNSec", "NUMAPolicy", "NUMAMask",
            "CoredumpFilter", "KeyringMode", "Personality", "SecureBits", "MemoryKSM",
            "CPUSchedulingRuntime",
        ],
        Lost("ham does not set it: ionice(1), numactl(8), setpriv(1) and the like do, before the \
              command"),
    ),
    (
        &[
            "PrivateTmp", "PrivateDevices", "PrivateNetwork", "PrivateUsers", "PrivateMounts",
            "PrivateIPC", "PrivatePIDs", "PrivateBPF", "ProtectSystem", "ProtectHome", "ProtectControlGroups",
            "ProtectKernelModules", "ProtectKernelTunables", "ProtectKernelLogs",
            "ProtectHostname", "ProtectClock", "ProtectProc", "ProcSubset", "InaccessiblePaths",
            "InaccessibleDirectories", "ReadOnlyPaths", "ReadOnlyDirectories", "NoExecPaths",
            "TemporaryFileSystem", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID",
            "RestrictFileSystems", "RestrictAddressFamilies", "RestrictNetworkInterfaces",
            "MemoryDenyWriteExecute", "LockPersonality", "RemoveIPC", "MountAPIVFS",
        ],
        Lost("no sandbox: it runs with less protection; bwrap(1) before the command has some of it"),
    ),
    (
        &[
            "ReadWritePaths", "ReadWriteDirectories", "ExecPaths", "BindLogSockets", "MountFlags",
        ],
        NoMeaning("an exception of a sandbox that is not there"),
    ),
    (
        &[
            "SystemCallFilter", "SystemCallArchitectures", "SystemCallErrorNumber", "SystemCallLog",
            "AppArmorProfile", "SELinuxContext", "SmackProcessLabel",
        ],
        Lost("no filter and no label: it runs with less protection"),
    ),
    (
        &[
            "RootDirectory", "RootImage", "RootEphemeral", "BindPaths", "BindReadOnlyPaths",
            "MountImages", "ExtensionImages", "ExtensionDirectories", "NetworkNamespacePath",
            "IPCNamespacePath",
        ],
        Lost("no root, mount or namespace of its own: make it before, or run it by bwrap(1)"),
    ),
    (
        &[
            "LoadCredential", "LoadCredentialEncrypted", "SetCredential", "SetCredentialEncrypted",
            "ImportCredential",
        ],
        Lost("no credentials are handed over: give it a file that only it can read"),
    ),
    (&["PAMName"], Lost("no session of PAM is opened: `user` and `limits` have most of it")),
    (
        &[
            "MemoryMax", "MemoryHigh", "MemoryLow", "MemoryMin", "MemoryLimit", "MemorySwapMax",
            "MemoryZSwapMax", "CPUQuota", "CPUQuotaPeriodSec", "CPUWeight", "CPUShares",
            "StartupCPUWeight", "AllowedCPUs", "AllowedMemoryNodes", "TasksMax", "IOWeight",
            "IODeviceWeight", "IOReadBandwidthMax", "IOWriteBandwidthMax", "IOReadIOPSMax",
            "IOWriteIOPSMax", "BlockIOWeight", "IPAddressAllow", "IPAddressDeny",
            "SocketBindAllow", "SocketBindDeny", "DeviceAllow", "DevicePolicy",
        ],
        Lost("no limits of control groups; `limits` has those of processes"),
    ),
    (
        &[
            "Slice", "Delegate", "DelegateSubgroup", "DisableControllers", "CPUAccounting",
            "MemoryAccounting", "TasksAccounting", "IOAccounting", "BlockIOAccounting",
            "IPAccounting", "ManagedOOMSwap", "ManagedOOMMemoryPressure",
            "ManagedOOMMemoryPressureLimit", "ManagedOOMPreference", "MemoryPressureWatch",
            "MemoryPressureThresholdSec",
        ],
        NoMeaning("ham has a control group for each process, and accounts for none"),
    ),
    (&["OOMPolicy"], Near("what is left of it is ended when its main process is gone")),
];
