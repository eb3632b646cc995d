//! A store that cannot be opened, or whose file goes away: tokens flow, it is said once, nothing is written over, and
//! writing resumes by itself.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokenkeep::provider::{Grant, Provider};
use tokenkeep::store::{StoreUrl, open};
use tokenkeep::{Clock, Demand, Event, Key, TokenManager, Warning, clock::SystemClock};
use tokio::sync::broadcast::Receiver;

#[tokio::test]
async fn whatever_lies_in_the_place_of_the_store_tokens_flow_and_it_stays_as_it_is() {
    for obstacle in OBSTACLES {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("place/tokens.db");
        obstacle.put(&file);
        let before = obstacle.look(&file);
        let manager = manager(&file).await;
        let mut events = manager.events();
        for _ in 0..3 {
            assert_eq!(manager.token("graph").await.unwrap().expose_secret(), "flows", "{obstacle:?}");
        }
        let trouble = manager.store_trouble().unwrap_or_else(|| panic!("{obstacle:?}: nobody is told"));
        assert!(trouble.contains(obstacle.said()), "{obstacle:?}: {trouble}");
        let answer = manager.handle("graph").unwrap().get(Demand::default()).await.unwrap();
        let told = answer.warnings.iter().any(|warning| matches!(warning, Warning::StoreFailing { .. }));
        assert!(told, "{obstacle:?}: {:?}", answer.warnings);
        assert_eq!(obstacle.look(&file), before, "{obstacle:?}: it was changed");
        let said = std::iter::from_fn(|| events.try_recv().ok());
        let said = said.filter(|event| matches!(event, Event::StoreFailed { .. })).count();
        assert_eq!(said, 0, "{obstacle:?}: it was said when the manager was made, and again");

        obstacle.remove(&file);
        resumed(&mut events).await;
        assert_eq!(manager.store_trouble(), None, "{obstacle:?}");
        assert!(is_saved(&file).await, "{obstacle:?}: the token was not saved");
    }
}

#[tokio::test]
async fn a_file_that_is_deleted_while_it_is_used_is_made_again_with_what_is_known() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("tokens.db");
    let manager = manager(&file).await;
    manager.token("graph").await.unwrap();
    fs::remove_file(&file).unwrap();
    let mut events = manager.events();
    let graph = manager.handle("graph").unwrap();
    // What it brings cannot be saved at once, and is when the file is there again.
    graph.refresh().await.unwrap();
    resumed(&mut events).await;
    assert!(is_saved(&file).await);
    let again = self::manager(&file).await;
    assert!(again.token("graph").await.unwrap().generation() >= 2, "the generations began anew");
}

async fn manager(file: &Path) -> TokenManager {
    let grant = Grant::Command { program: "echo".to_owned(), args: vec!["flows".to_owned()] };
    let provider = Provider::new("graph", grant).unwrap();
    let url = StoreUrl::Sqlite(file.to_owned());
    TokenManager::builder().provider(provider).store_url(url).build().await.unwrap()
}

/// Waits until the store is said to work again.
async fn resumed(events: &mut Receiver<Event>) {
    let waiting = async { while events.recv().await.unwrap() != Event::StoreRecovered {} };
    tokio::time::timeout(Duration::from_mins(1), waiting).await.expect("writing did not resume");
}

async fn is_saved(file: &Path) -> bool {
    let clock: std::sync::Arc<dyn Clock> = std::sync::Arc::new(SystemClock::new());
    let store = open(&StoreUrl::Sqlite(file.to_owned()), &[], &clock).await.unwrap();
    let found = store.load(&Key::parse("graph").unwrap()).await.unwrap();
    found.is_some_and(|found| found.record.token.is_some())
}

/// What lies where the store's file should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    /// A file where the folder should be.
    NoFolder,
    Folder,
    Link,
    /// Another program's database.
    Foreign,
    /// One of a later version of this program.
    Newer,
    Corrupt,
}

const OBSTACLES: [Obstacle; 6] =
    [Obstacle::NoFolder, Obstacle::Folder, Obstacle::Link, Obstacle::Foreign, Obstacle::Newer, Obstacle::Corrupt];

impl Obstacle {
    fn put(self, file: &Path) {
        let folder = file.parent().unwrap();
        if self == Self::NoFolder {
            fs::write(folder, "in the way").unwrap();
            return;
        }
        fs::create_dir(folder).unwrap();
        match self {
            Self::NoFolder => {}
            Self::Folder => fs::create_dir(file).unwrap(),
            Self::Link => {
                fs::write(target(file), "").unwrap();
                symlink(target(file), file).unwrap();
            }
            Self::Foreign => fs::write(file, database(0x1234_5678, 7)).unwrap(),
            Self::Newer => fs::write(file, database(0x746f_6b6b, 999)).unwrap(),
            Self::Corrupt => {
                let nonsense = "SQLite format 3\0 and then nothing that makes sense".repeat(100);
                fs::write(file, nonsense).unwrap();
            }
        }
    }

    fn said(self) -> &'static str {
        match self {
            Self::NoFolder => "cannot make the f",
            Self::Folder => "is not a regular file",
            Self::Link => "is a symbolic link",
            Self::Foreign => "belongs to another program",
            Self::Newer => "of a later tokenkeep",
            Self::Corrupt => "the file is ",
        }
    }

    /// Everything of it that could be changed.
    fn look(self, file: &Path) -> Vec<u8> {
        match self {
            Self::NoFolder => fs::read(file.parent().unwrap()).unwrap(),
            Self::Folder => fs::read_dir(file).unwrap().map(|_| 1).collect(),
            Self::Link => fs::read(target(file)).unwrap(),
            Self::Foreign | Self::Newer | Self::Corrupt => fs::read(file).unwrap(),
        }
    }

    fn remove(self, file: &Path) {
        match self {
            Self::NoFolder => fs::remove_file(file.parent().unwrap()).unwrap(),
            Self::Folder => fs::remove_dir(file).unwrap(),
            Self::Link | Self::Foreign | Self::Newer | Self::Corrupt => fs::remove_file(file).unwrap(),
        }
    }
}

/// Where the link leads.
fn target(file: &Path) -> PathBuf {
    file.with_extension("target")
}

/// The first page of an otherwise empty database: <https://www.sqlite.org/fileformat.html#the_database_header>.
fn database(application_id: u32, user_version: u32) -> Vec<u8> {
    let mut page = vec![0; 4096];
    page[..16].copy_from_slice(b"SQLite format 3\0");
    page[16..18].copy_from_slice(&4096_u16.to_be_bytes());
    // File format 1 for writing and reading, no reserved space, the fixed payload fractions.
    page[18..24].copy_from_slice(&[1, 1, 0, 64, 32, 32]);
    page[24..28].copy_from_slice(&1_u32.to_be_bytes());
    page[28..32].copy_from_slice(&1_u32.to_be_bytes());
    page[44..48].copy_from_slice(&4_u32.to_be_bytes());
    page[56..60].copy_from_slice(&1_u32.to_be_bytes());
    page[60..64].copy_from_slice(&user_version.to_be_bytes());
    page[68..72].copy_from_slice(&application_id.to_be_bytes());
    page[92..96].copy_from_slice(&1_u32.to_be_bytes());
    // An empty leaf of a table: no cells, the content begins at the end of the page.
    page[100] = 13;
    page[105..107].copy_from_slice(&4096_u16.to_be_bytes());
    page
}
