//! Which `/dev/teeN` belongs to which FF-A endpoint.
//!
//! A kernel that gives a TEE device its FF-A device as parent answers with the link `device`. Linux up to 7.2 gives
//! it none. What it leaves is order: the driver core links a device to its driver just before the driver's probe,
//! and the probe then adds the TEE devices, client before supplicant. Sysfs numbers its nodes in the order of their
//! making and never uses a number twice, so the numbers tell which TEE device a probe made, after a rebind too.
//! Where probes ran side by side the order proves nothing, and then nothing is guessed.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Where sysfs is.
pub const SYSFS: &str = "/sys";

/// The TEE devices that one FF-A endpoint has in this Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// FF-A endpoint ID.
    pub endpoint: u16,
    /// N of `/dev/teeN`, the clients' device.
    pub tee: u32,
    /// N of `/dev/teeprivN`, the supplicant's device, where there is one.
    pub private: Option<u32>,
}

/// Why the devices could not be told apart. `Display` is one sentence for people.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// A part of sysfs is missing: which, and what that means.
    NoSysfs(String),
    /// The order of the nodes does not show which device belongs to this endpoint.
    Unclear(u16),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NoSysfs(what) => write!(
                f,
                "{what}; mount sysfs and load the modules ffa-core, ffa-module and optee"
            ),
            Fault::Unclear(id) => write!(
                f,
                "it cannot be told which device belongs to endpoint {id:#06x}; load the TEE driver without asynchronous probing"
            ),
        }
    }
}

/// What one node of sysfs shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// An FF-A device was bound to a driver; `strict` when that driver makes exactly one pair of TEE devices.
    Bound { endpoint: u16, strict: bool },
    /// A TEE device for clients.
    Client { number: u32, parent: Option<u16> },
    /// A TEE device for a supplicant.
    Private { number: u32, parent: Option<u16> },
}

/// A node of sysfs with its number.
type Node = (u64, What);

/// Finds the TEE devices of every FF-A endpoint, in the order of their making.
pub fn find(sysfs: &Path) -> Result<Vec<Device>, Fault> {
    let mut nodes = bound(sysfs)?;
    nodes.extend(tees(sysfs)?);
    assign(nodes)
}

/// The endpoint to which the device `node` (`tee0`, `teepriv0`) belongs; `None` where it is no TEE's.
///
/// While a driver makes its devices the order is not clear yet ([`Fault::Unclear`]).
pub fn owner(sysfs: &Path, node: &str) -> Result<Option<u16>, Fault> {
    let found = find(sysfs)?;
    let client = |device: &&Device| format!("tee{}", device.tee) == node;
    let private = |device: &&Device| {
        device
            .private
            .is_some_and(|number| format!("teepriv{number}") == node)
    };
    Ok(found
        .iter()
        .find(|device| client(device) || private(device))
        .map(|device| device.endpoint))
}

/// The FF-A devices that have a driver.
fn bound(sysfs: &Path) -> Result<Vec<Node>, Fault> {
    let dir = sysfs.join("bus/arm_ffa/devices");
    let entries = fs::read_dir(&dir).map_err(|_| Fault::NoSysfs(format!("{} is missing", dir.display())))?;
    let node = |path: &Path| {
        let link = path.join("driver");
        let number = fs::symlink_metadata(&link).ok()?.ino();
        let driver = fs::read_link(&link).ok()?;
        let strict = driver.file_name()? == "optee";
        Some((
            number,
            What::Bound {
                endpoint: endpoint(path)?,
                strict,
            },
        ))
    };
    Ok(entries
        .flatten()
        .filter_map(|entry| node(&entry.path()))
        .collect())
}

/// The TEE devices.
fn tees(sysfs: &Path) -> Result<Vec<Node>, Fault> {
    let dir = sysfs.join("class/tee");
    let entries = fs::read_dir(&dir).map_err(|_| Fault::NoSysfs(format!("{} is missing", dir.display())))?;
    let node = |path: &Path| {
        let name = path.file_name()?.to_str()?;
        let number = fs::metadata(path).ok()?.ino();
        let parent = endpoint(&path.join("device"));
        let digits = |prefix| name.strip_prefix(prefix).and_then(|rest: &str| rest.parse().ok());
        let what = match (digits("teepriv"), digits("tee")) {
            (Some(number), _) => What::Private { number, parent },
            (None, Some(number)) => What::Client { number, parent },
            (None, None) => return None,
        };
        Some((number, what))
    };
    Ok(entries
        .flatten()
        .filter_map(|entry| node(&entry.path()))
        .collect())
}

/// The endpoint ID that the FF-A device at `path` states.
fn endpoint(path: &Path) -> Option<u16> {
    let text = fs::read_to_string(path.join("partition_id")).ok()?;
    u16::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
}

/// The TEE devices that came after an FF-A device was bound, before the next one was.
#[derive(Default)]
struct Group {
    bound: Option<(u16, bool)>,
    clients: Vec<u32>,
    privates: Vec<u32>,
}

/// Gives every TEE device to the endpoint that it names as parent, else to the one that was bound last before it.
fn assign(mut nodes: Vec<Node>) -> Result<Vec<Device>, Fault> {
    nodes.sort_unstable_by_key(|node| node.0);
    let mut named: Vec<Group> = Vec::new();
    let mut ordered = vec![Group::default()];
    for (_, what) in nodes {
        match what {
            What::Bound { endpoint, strict } => ordered.push(Group {
                bound: Some((endpoint, strict)),
                ..Group::default()
            }),
            What::Client { number, parent } => {
                group(&mut named, &mut ordered, parent, |g| g.clients.push(number));
            }
            What::Private { number, parent } => {
                group(&mut named, &mut ordered, parent, |g| g.privates.push(number));
            }
        }
    }
    if named.is_empty() {
        check(&ordered)?;
    }
    Ok(named.iter().chain(&ordered).filter_map(device).collect())
}

/// Puts a device into the group of its parent, or into the latest one.
fn group(named: &mut Vec<Group>, ordered: &mut [Group], parent: Option<u16>, put: impl FnOnce(&mut Group)) {
    let Some(parent) = parent else {
        return ordered.last_mut().map(put).unwrap_or_default();
    };
    match named
        .iter_mut()
        .find(|group| group.bound.is_some_and(|(endpoint, _)| endpoint == parent))
    {
        Some(group) => put(group),
        None => {
            let mut group = Group {
                bound: Some((parent, false)),
                ..Group::default()
            };
            put(&mut group);
            named.push(group);
        }
    }
}

/// Refuses an order that probes running side by side would leave.
fn check(groups: &[Group]) -> Result<(), Fault> {
    for group in groups {
        let Some((endpoint, strict)) = group.bound else {
            continue;
        };
        let (clients, privates) = (group.clients.len(), group.privates.len());
        let clear = if strict {
            clients == 1 && privates == 1
        } else {
            clients <= 1 && privates <= clients
        };
        if !clear {
            return Err(Fault::Unclear(endpoint));
        }
    }
    Ok(())
}

fn device(group: &Group) -> Option<Device> {
    let (endpoint, _) = group.bound?;
    Some(Device {
        endpoint,
        tee: *group.clients.first()?,
        private: group.privates.first().copied(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn optee(endpoint: u16) -> What {
        What::Bound {
            endpoint,
            strict: true,
        }
    }

    fn client(number: u32) -> What {
        What::Client { number, parent: None }
    }

    fn private(number: u32) -> What {
        What::Private { number, parent: None }
    }

    #[test]
    fn order_of_making_tells_the_owner() {
        // As listed by a directory: in no order. 0x8002 was bound first, so it has tee0.
        let nodes = vec![
            (31, client(1)),
            (12, private(0)),
            (30, optee(0x8001)),
            (11, client(0)),
            (33, private(1)),
            (10, optee(0x8002)),
        ];
        let devices = assign(nodes).expect("clear");
        assert_eq!(
            devices,
            [
                Device {
                    endpoint: 0x8002,
                    tee: 0,
                    private: Some(0)
                },
                Device {
                    endpoint: 0x8001,
                    tee: 1,
                    private: Some(1)
                },
            ]
        );
    }

    #[test]
    fn a_rebound_device_is_found_again() {
        // 0x8001 was unbound and bound again: its nodes are the youngest, though it took tee0 again.
        let nodes = vec![
            (20, optee(0x8002)),
            (21, client(1)),
            (22, private(1)),
            (90, optee(0x8001)),
            (91, client(0)),
            (92, private(0)),
        ];
        let devices = assign(nodes).expect("clear");
        assert_eq!(
            devices[1],
            Device {
                endpoint: 0x8001,
                tee: 0,
                private: Some(0)
            }
        );
    }

    #[test]
    fn probes_side_by_side_are_refused() {
        let nodes = vec![
            (1, optee(0x8001)),
            (2, optee(0x8002)),
            (3, client(0)),
            (4, client(1)),
            (5, private(0)),
            (6, private(1)),
        ];
        assert_eq!(assign(nodes), Err(Fault::Unclear(0x8001)));
        let nodes = vec![
            (1, optee(0x8001)),
            (2, client(0)),
            (3, optee(0x8002)),
            (4, private(0)),
            (5, client(1)),
        ];
        assert!(matches!(assign(nodes), Err(Fault::Unclear(_))));
    }

    #[test]
    fn devices_of_no_endpoint_are_left_alone() {
        // tee0 is older than every FF-A device (another kind of TEE); 0x8005's driver makes no TEE device.
        let nodes = vec![
            (1, client(0)),
            (
                2,
                What::Bound {
                    endpoint: 0x8005,
                    strict: false,
                },
            ),
            (3, optee(0x8001)),
            (4, client(1)),
            (5, private(0)),
        ];
        let devices = assign(nodes).expect("clear");
        assert_eq!(
            devices,
            [Device {
                endpoint: 0x8001,
                tee: 1,
                private: Some(0)
            }]
        );
    }

    #[test]
    fn a_parent_link_needs_no_order() {
        let nodes = vec![
            (1, optee(0x8001)),
            (2, optee(0x8002)),
            (
                3,
                What::Client {
                    number: 0,
                    parent: Some(0x8002),
                },
            ),
            (
                4,
                What::Client {
                    number: 1,
                    parent: Some(0x8001),
                },
            ),
            (
                5,
                What::Private {
                    number: 0,
                    parent: Some(0x8001),
                },
            ),
        ];
        let devices = assign(nodes).expect("clear");
        assert!(devices.contains(&Device {
            endpoint: 0x8002,
            tee: 0,
            private: None
        }));
        assert!(devices.contains(&Device {
            endpoint: 0x8001,
            tee: 1,
            private: Some(0)
        }));
    }

    /// A tree like sysfs with one FF-A device, and with one TEE device of which it is the parent.
    fn tree(root: &Path) {
        let ffa = root.join("devices/arm-ffa-1");
        let tee = root.join("devices/virtual/tee/tee0");
        for dir in [
            &ffa,
            &tee,
            &root.join("bus/arm_ffa/devices"),
            &root.join("class/tee"),
        ] {
            fs::create_dir_all(dir).expect("dir");
        }
        fs::create_dir_all(root.join("bus/arm_ffa/drivers/optee")).expect("dir");
        fs::write(ffa.join("partition_id"), "0x8001\n").expect("id");
        symlink(root.join("bus/arm_ffa/drivers/optee"), ffa.join("driver")).expect("link");
        symlink(&ffa, root.join("bus/arm_ffa/devices/arm-ffa-1")).expect("link");
        symlink(&tee, root.join("class/tee/tee0")).expect("link");
        symlink(&ffa, tee.join("device")).expect("link");
    }

    #[test]
    fn sysfs_is_read() {
        let dir = tempfile::tempdir().expect("tempdir");
        tree(dir.path());
        let link = dir.path().join("devices/arm-ffa-1/driver");
        let number = fs::symlink_metadata(&link).expect("link").ino();
        assert_eq!(bound(dir.path()).expect("bus"), [(number, optee(0x8001))]);
        assert_eq!(
            find(dir.path()).expect("clear"),
            [Device {
                endpoint: 0x8001,
                tee: 0,
                private: None
            }]
        );
    }

    #[test]
    fn a_device_has_one_owner() {
        let dir = tempfile::tempdir().expect("tempdir");
        tree(dir.path());
        assert_eq!(owner(dir.path(), "tee0"), Ok(Some(0x8001)));
        for stranger in ["tee1", "teepriv0", "tee", "null", ""] {
            assert_eq!(owner(dir.path(), stranger), Ok(None), "{stranger}");
        }
    }

    #[test]
    fn odd_nodes_are_passed_over() {
        let dir = tempfile::tempdir().expect("tempdir");
        tree(dir.path());
        for name in ["teepriv", "teeX", "tee-1", "other", "tee99999999999"] {
            fs::create_dir_all(dir.path().join("class/tee").join(name)).expect("dir");
        }
        fs::create_dir_all(dir.path().join("bus/arm_ffa/devices/arm-ffa-2")).expect("dir");
        assert_eq!(find(dir.path()).expect("clear").len(), 1);
    }

    #[test]
    fn a_machine_without_ffa_says_so() {
        let dir = tempfile::tempdir().expect("tempdir");
        assert!(matches!(find(dir.path()), Err(Fault::NoSysfs(_))));
    }
}
