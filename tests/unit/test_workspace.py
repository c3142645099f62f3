"""The workspace: one file and one commit at a time, whatever state the user's repository is in."""

import os
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from autoresearch.errors import Refusal
from autoresearch.model import Fault
from autoresearch.workspace import Kept, Workspace, files

KERNEL = "targets/pq_l2/kernels.py"
SEED = b"SEED = 1\n"
FASTER = b"FASTER = 2\n"
ID = "20260101T000000000000-ab12cd34"


@pytest.fixture(autouse=True)
def quiet_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration but the repository's own, as on a machine where git was never set up."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("EMAIL", raising=False)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "global.gitconfig"))


def git(folder: Path, *words: str, check: bool = True) -> str:
    who = ("-c", "user.name=U", "-c", "user.email=u@x")
    done = subprocess.run(
        ["git", *who, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert not (check and done.returncode), done.stderr
    return done.stdout.rstrip("\n")


def put(root: Path, name: str, data: bytes) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    put(root, KERNEL, SEED)
    put(root, "targets/pq_l2/inputs.py", b"I = 0\n")
    put(root, "notes.txt", b"notes\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "start")
    return root


def status(root: Path) -> list[str]:
    return git(root, "status", "--porcelain").splitlines()


def try_out(root: Path, data: bytes = FASTER) -> tuple[Workspace, str]:
    """A candidate lies in the work tree and is stored."""
    put(root, KERNEL, data)
    space = Workspace.open(root)
    return space, space.put_blob(data)


def keep(root: Path, data: bytes = FASTER) -> Kept:
    space, blob = try_out(root, data)
    return space.keep(KERNEL, blob, "pq-l2: 1.148x\n\ntransposed codes", ID)


# Opening


def test_a_work_tree_is_found_from_any_folder_in_it(root: Path) -> None:
    space = Workspace.open(root / "targets" / "pq_l2")
    assert space.root == root and space.common_folder == root / ".git"


@pytest.mark.parametrize("kind", ["plain", "bare", "inside", "unborn"])
def test_what_is_no_work_tree_is_refused(root: Path, tmp_path: Path, kind: str) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    bare, unborn = tmp_path / "bare.git", tmp_path / "unborn"
    git(tmp_path, "init", "-q", "--bare", str(bare))
    git(tmp_path, "init", "-q", str(unborn))
    places = {"plain": plain, "bare": bare, "inside": root / ".git", "unborn": unborn}
    told = {"plain": "not in a git", "bare": "no work tree", "inside": "no work tree"}
    with pytest.raises(Refusal, match=told.get(kind, "no commit")):
        Workspace.open(places[kind])


def test_a_machine_without_git_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(root))
    with pytest.raises(Refusal, match="not installed"):
        Workspace.open(root)


def diverge(root: Path) -> None:
    git(root, "checkout", "-qb", "side")
    put(root, "notes.txt", b"side\n")
    git(root, "commit", "-qam", "side")
    git(root, "checkout", "-q", "main")
    put(root, "notes.txt", b"main\n")
    git(root, "commit", "-qam", "main")


@pytest.mark.parametrize("what", ["merge", "rebase", "cherry-pick", "bisect", "revert"])
def test_an_operation_in_progress_is_refused(root: Path, what: str) -> None:
    space, blob = try_out(root)
    git(root, "checkout", "-q", KERNEL)
    diverge(root)
    words = {"bisect": ("bisect", "start"), "revert": ("revert", "--no-commit", "HEAD")}
    git(root, *words.get(what, (what, "side")), check=False)
    with pytest.raises(Refusal, match=f"A {what} is in progress"):
        Workspace.open(root)
    with pytest.raises(Refusal, match="in progress"):
        space.keep(KERNEL, blob, "m", ID)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_repository_of_somebody_else_is_not_trusted(root: Path) -> None:
    os.chown(root, 12345, 12345)
    os.chown(root / ".git", 12345, 12345)
    with pytest.raises(Refusal, match="somebody else owns it"):
        Workspace.open(root)


# The candidate


def test_a_candidate_is_read_as_it_is(root: Path) -> None:
    put(root, KERNEL, b"x = 'caf\xc3\xa9'\r\n")
    assert Workspace.open(root).read_candidate(root / KERNEL) == b"x = 'caf\xc3\xa9'\r\n"


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ("missing", "is missing"),
        ("link", "plain folders"),
        ("folder link", "plain folders"),
        ("pipe", "not a regular file"),
        ("folder", "not a regular file"),
        ("large", "larger than"),
        ("latin", "not UTF-8"),
        ("file as folder", "plain folders"),
    ],
)
def test_what_is_no_honest_file_is_a_verdict(root: Path, harm: str, told: str) -> None:
    path = root / KERNEL
    path.unlink()
    (root / "elsewhere").mkdir()
    (root / "elsewhere" / "kernels.py").write_bytes(SEED)
    if harm == "link":
        path.symlink_to(root / "elsewhere" / "kernels.py")
    elif harm == "folder link":
        shutil.rmtree(path.parent)
        path.parent.symlink_to(root / "elsewhere")
    elif harm == "file as folder":
        shutil.rmtree(path.parent)
        path.parent.write_bytes(SEED)
    elif harm == "pipe":
        os.mkfifo(path)
    elif harm == "folder":
        path.mkdir()
    elif harm != "missing":
        path.write_bytes(b"#" * (files.CAP + 1) if harm == "large" else b"\xe9")
    fault = Workspace.open(root).read_candidate(KERNEL)
    assert isinstance(fault, Fault) and fault.verdict == "refused" and told in fault.reason


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", ".git/config", "", "a/../../x"])
def test_a_path_outside_is_a_programming_error(root: Path, path: str) -> None:
    with pytest.raises(ValueError, match="no file below"):
        Workspace.open(root).read_candidate(path)


# Snapshots and refs


def test_a_snapshot_touches_nothing_of_the_users(root: Path) -> None:
    put(root, "notes.txt", b"staged\n")
    git(root, "add", "notes.txt")
    put(root, "notes.txt", b"dirty\n")
    space, blob = try_out(root)
    index = (root / ".git" / "index").read_bytes()
    before = git(root, "rev-parse", "HEAD"), git(root, "reflog")
    commit = space.snapshot("pq-l2", ID, KERNEL, blob, "an idea")
    assert (git(root, "rev-parse", "HEAD"), git(root, "reflog")) == before
    assert (root / ".git" / "index").read_bytes() == index
    ref = f"refs/autoresearch/pq-l2/trials/{ID}"
    assert git(root, "rev-parse", ref) == commit
    assert git(root, "diff", "--name-only", "HEAD", ref) == KERNEL
    assert git(root, "log", "-1", "--format=%an %cn %s", ref) == "autoresearch autoresearch an idea"
    put(root, KERNEL, SEED)
    assert space.recover("pq-l2", ID, KERNEL) == FASTER
    assert space.recover("pq-l2", "other", KERNEL) is None


def test_blobs_are_stored_raw(root: Path) -> None:
    put(root, ".gitattributes", b"* text eol=crlf filter=shout working-tree-encoding=UTF-16\n")
    git(root, "config", "filter.shout.clean", "tr a-z A-Z")
    git(root, "config", "core.autocrlf", "input")
    space = Workspace.open(root)
    data = b"mixed\r\nends\n\x00\xff"
    assert space.get_blob(space.put_blob(data)) == data


def test_the_incumbent_is_mirrored(root: Path) -> None:
    space, blob = try_out(root)
    assert space.incumbent("pq-l2") is None
    space.mirror_incumbent("pq-l2", blob)
    assert space.incumbent("pq-l2") == blob
    git(root, "fsck", "--strict")


@pytest.mark.parametrize("name", ["", "-x", "a/b", "a..b", "a b", "x.lock", "\n"])
def test_a_name_that_no_ref_can_carry_is_refused(root: Path, name: str) -> None:
    with pytest.raises(Refusal, match="cannot name a target"):
        Workspace.open(root).incumbent(name)


# Keeping


def check_kept(root: Path, kept: Kept, parent: str) -> None:
    """HEAD is one commit further, with the one file changed and nothing left over."""
    assert git(root, "rev-parse", "HEAD", "HEAD^") == f"{kept.commit}\n{parent}"
    assert git(root, "diff", "--name-only", "HEAD^", "HEAD") == KERNEL
    assert git(root, "cat-file", "blob", f"HEAD:{KERNEL}") == FASTER.decode().strip()
    assert kept.new and kept.index


def test_a_keep_is_one_commit_of_one_file(root: Path) -> None:
    parent = git(root, "rev-parse", "HEAD")
    kept = keep(root)
    check_kept(root, kept, parent)
    assert status(root) == [] and git(root, "symbolic-ref", "HEAD") == "refs/heads/main"
    want = f"pq-l2: 1.148x\n\ntransposed codes\n\nAutoresearch-Trial: {ID}"
    assert git(root, "log", "-1", "--format=%B").strip() == want
    assert f"autoresearch: keep {ID}" in git(root, "reflog", "-1")
    git(root, "fsck", "--strict")


def test_a_dirty_tree_stays_as_it_is(root: Path) -> None:
    put(root, "notes.txt", b"staged\n")
    put(root, "new.txt", b"new\n")
    put(root, "wanted.txt", b"later\n")
    git(root, "add", "notes.txt", "new.txt")
    git(root, "add", "-N", "wanted.txt")
    git(root, "rm", "-q", "--cached", "targets/pq_l2/inputs.py")
    put(root, "notes.txt", b"dirty\n")
    before, staged = status(root), git(root, "diff", "--cached")
    parent = git(root, "rev-parse", "HEAD")
    check_kept(root, keep(root), parent)
    assert status(root) == before and git(root, "diff", "--cached") == staged
    assert (root / "notes.txt").read_bytes() == b"dirty\n"


def test_a_staged_candidate_is_kept_too(root: Path) -> None:
    put(root, KERNEL, b"something staged earlier\n")
    git(root, "add", KERNEL)
    check_kept(root, keep(root), git(root, "rev-parse", "HEAD^"))
    assert status(root) == []


def test_an_edit_made_meanwhile_stays_in_the_work_tree(root: Path) -> None:
    space, blob = try_out(root)
    put(root, KERNEL, b"typing\n")
    space.keep(KERNEL, blob, "m", ID)
    assert (root / KERNEL).read_bytes() == b"typing\n" and status(root) == [f" M {KERNEL}"]


def test_an_agent_that_commits_by_itself_changes_nothing(root: Path) -> None:
    put(root, KERNEL, FASTER)
    git(root, "commit", "-qam", "mine")
    kept = keep(root)
    assert kept.new and git(root, "diff", "HEAD^", "HEAD") == "" and status(root) == []


def test_a_new_file_can_be_kept(root: Path) -> None:
    space = Workspace.open(root)
    put(root, "targets/new/kernels.py", FASTER)
    space.keep("targets/new/kernels.py", space.put_blob(FASTER), "m", ID)
    assert status(root) == [] and space.blob_at("targets/new/kernels.py")


def test_a_detached_head_moves_and_no_branch_does(root: Path) -> None:
    git(root, "checkout", "-q", "--detach")
    parent = git(root, "rev-parse", "main")
    check_kept(root, keep(root), parent)
    assert git(root, "rev-parse", "main") == parent and status(root) == []


@pytest.mark.parametrize("bare", [False, True])
def test_a_linked_work_tree(root: Path, tmp_path: Path, bare: bool) -> None:
    owner = root
    if bare:
        owner = tmp_path / "bare.git"
        git(tmp_path, "clone", "-q", "--bare", str(root), str(owner))
    linked = tmp_path / "linked"
    git(owner, "worktree", "add", "-q", "-b", "side", str(linked))
    parent = git(linked, "rev-parse", "HEAD")
    check_kept(linked, keep(linked), parent)
    assert git(owner, "rev-parse", "main") == parent
    assert status(linked) == [] and git(linked, "symbolic-ref", "HEAD") == "refs/heads/side"
    Workspace.open(linked).ignore_state()
    put(linked, "results.tsv", b"x")
    assert status(linked) == []


def test_a_submodule(root: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    git(tmp_path, "init", "-q", str(outer))
    git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(root), "sub")
    parent = git(outer / "sub", "rev-parse", "HEAD")
    check_kept(outer / "sub", keep(outer / "sub"), parent)
    assert status(outer / "sub") == []


def test_no_hook_runs(root: Path, tmp_path: Path) -> None:
    for folder in (root / ".git" / "hooks", tmp_path / "hooks"):
        folder.mkdir(exist_ok=True)
        for name in ("pre-commit", "commit-msg", "post-commit", "reference-transaction"):
            for hook in (folder / name, folder / "post-index-change"):
                hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
                hook.chmod(0o755)
    (tmp_path / "global.gitconfig").write_text(f"[core]\n\thooksPath = {tmp_path}/hooks\n")
    space, blob = try_out(root)
    space.snapshot("pq-l2", ID, KERNEL, blob)
    assert keep(root).index and not (tmp_path / "ran").exists()


def test_odd_settings_change_nothing(root: Path, tmp_path: Path) -> None:
    settings = {
        "core.autocrlf": "true",
        "core.eol": "crlf",
        "core.fileMode": "false",
        "core.fsmonitor": f"touch {tmp_path}/ran",
        "core.splitIndex": "true",
        "core.untrackedCache": "true",
        "index.version": "4",
        "commit.gpgSign": "true",
        "gpg.program": "/bin/false",
        "commit.template": "/nonexistent",
        "commit.cleanup": "verbatim",
        "i18n.commitEncoding": "latin1",
        "log.showSignature": "true",
        "alias.update-ref": "!false",
        "core.logAllRefUpdates": "always",
        "trailer.separators": "%",
    }
    for key, value in settings.items():
        git(root, "config", key, value)
    parent = git(root, "rev-parse", "HEAD")
    space, blob = try_out(root)
    kept = space.keep(KERNEL, blob, "schneller: grün", ID)
    check_kept(root, kept, parent)
    assert not space.keep(KERNEL, blob, "again", ID).new
    assert not (tmp_path / "ran").exists()
    git(root, "config", "core.fsmonitor", "false")
    assert status(root) == []
    text = subprocess.check_output(["git", "cat-file", "commit", "HEAD"], cwd=root)
    assert "grün".encode() in text and b"encoding" not in text and b"gpgsig" not in text


def test_filters_do_not_run(root: Path, tmp_path: Path) -> None:
    put(
        root,
        ".gitattributes",
        b"*.py filter=spy text eol=crlf ident\n",
    )
    git(root, "add", "-A")
    git(root, "commit", "-qm", "attributes")
    git(root, "config", "filter.spy.clean", f"touch {tmp_path}/ran; cat")
    git(root, "config", "filter.spy.smudge", f"touch {tmp_path}/ran; cat")
    git(root, "config", "filter.spy.required", "true")
    os.utime(root / ".git" / "index", (1, 1))  # no entry is older: git would read every file again
    space, blob = try_out(root)
    space.snapshot("pq-l2", ID, KERNEL, blob)
    keep(root)
    put(root, KERNEL, b"worse\n")
    assert space.restore(KERNEL, b"worse\n", blob) == "restored"
    assert (root / KERNEL).read_bytes() == FASTER
    assert not (tmp_path / "ran").exists()


def test_replace_refs_are_not_believed(root: Path) -> None:
    space, blob = try_out(root)
    liar = space.put_blob(b"EVIL = 1\n")
    git(root, "replace", blob, liar)
    head = git(root, "rev-parse", "HEAD")
    git(root, "replace", head, git(root, "commit-tree", "-m", "evil", "HEAD^{tree}"))
    assert space.get_blob(blob) == FASTER
    kept = space.keep(KERNEL, blob, "m", ID)
    files_there = git(root, "--no-replace-objects", "ls-tree", "-r", "--name-only", kept.commit)
    assert len(files_there.splitlines()) == 3


def test_the_callers_git_variables_are_not_heard(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    git(tmp_path, "init", "-q", str(other))
    parent = git(root, "rev-parse", "HEAD")
    with monkeypatch.context() as patch:
        for name, value in {
            "GIT_DIR": str(other / ".git"),
            "GIT_WORK_TREE": str(other),
            "GIT_INDEX_FILE": str(tmp_path / "index"),
            "GIT_OBJECT_DIRECTORY": str(tmp_path / "objects"),
            "GIT_COMMON_DIR": str(tmp_path),
            "GIT_NAMESPACE": "elsewhere",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "core.bare",
            "GIT_CONFIG_VALUE_0": "true",
            "GIT_CONFIG_PARAMETERS": "nonsense",
            "GIT_EDITOR": "false",
            "GIT_AUTHOR_DATE": "never",
        }.items():
            patch.setenv(name, value)
        kept = keep(root)
    check_kept(root, kept, parent)
    assert status(root) == [] and not (tmp_path / "index").exists()


def test_who_commits_is_the_user_where_git_knows(root: Path, tmp_path: Path) -> None:
    keep(root)
    form = "--format=%an <%ae> %cn <%ce>"
    ours = "autoresearch <autoresearch@localhost>"
    assert git(root, "log", "-1", form) == f"{ours} {ours}"
    (tmp_path / "global.gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@x\n")
    space, blob = try_out(root, SEED)
    space.keep(KERNEL, blob, "m", ID + "b")
    assert git(root, "log", "-1", form) == "Ada <ada@x> Ada <ada@x>"


def test_an_executable_kernel_stays_one_and_a_link_becomes_a_file(root: Path) -> None:
    git(root, "update-index", "--chmod=+x", KERNEL)
    link = git(root, "hash-object", "-w", "notes.txt")
    git(root, "update-index", "--add", "--cacheinfo", f"120000,{link},link.py")
    git(root, "commit", "-qm", "modes")
    space, blob = try_out(root)
    space.keep(KERNEL, blob, "m", ID)
    space.keep("link.py", blob, "m", ID)
    assert git(root, "ls-tree", "HEAD", KERNEL).startswith("100755 blob")
    assert git(root, "ls-tree", "HEAD", "link.py").startswith("100644 blob")


def test_a_keep_that_was_made_before_the_crash_is_not_made_again(root: Path) -> None:
    first = keep(root)
    put(root, "notes.txt", b"more\n")
    git(root, "commit", "-qam", "more")
    head = git(root, "rev-parse", "HEAD")
    assert keep(root) == Kept(first.commit, new=False, index=True)
    assert git(root, "rev-parse", "HEAD") == head


def test_a_forged_trailer_without_the_blob_is_no_keep(root: Path) -> None:
    git(root, "commit", "-q", "--allow-empty", "-m", f"x\n\nAutoresearch-Trial: {ID}")
    kept = keep(root)
    assert kept.new and git(root, "rev-parse", "HEAD") == kept.commit


def test_a_commit_made_by_somebody_else_meanwhile_becomes_the_parent(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raced = []
    honest = Workspace._tree

    def slow(self: Workspace, *words: str) -> str:
        tree = honest(self, *words)
        if not raced:
            git(root, "commit", "-q", "--allow-empty", "-m", "meanwhile")
            raced.append(git(root, "rev-parse", "HEAD"))
        return tree

    monkeypatch.setattr(Workspace, "_tree", slow)
    check_kept(root, keep(root), raced[0])


def test_a_branch_that_cannot_move_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoresearch.workspace._PAUSE_S", 0.0)
    (root / ".git" / "refs" / "heads" / "main.lock").touch()
    with pytest.raises(Refusal, match="update-ref"):
        keep(root)
    (root / ".git" / "refs" / "heads" / "main.lock").unlink()
    assert keep(root).new


def test_a_locked_index_does_not_lose_the_keep(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoresearch.workspace._PAUSE_S", 0.0)
    (root / ".git" / "index.lock").touch()
    kept = keep(root)
    assert kept.new and not kept.index
    (root / ".git" / "index.lock").unlink()
    assert keep(root) == Kept(kept.commit, new=False, index=True) and status(root) == []


def test_a_damaged_repository_is_told(root: Path) -> None:
    space, blob = try_out(root)
    tree = git(root, "rev-parse", "HEAD^{tree}")
    (root / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(Refusal, match="failed"):
        space.keep(KERNEL, blob, "m", ID)


# Restoring


def test_a_rejected_candidate_gives_way_to_the_incumbent(root: Path) -> None:
    (root / KERNEL).chmod(0o750)
    space, _ = try_out(root)
    seed = space.put_blob(SEED)
    assert space.restore(KERNEL, FASTER, seed) == "restored"
    assert (root / KERNEL).read_bytes() == SEED
    assert stat.S_IMODE((root / KERNEL).stat().st_mode) == 0o750
    assert space.restore(KERNEL, FASTER, seed) == "already"
    assert [p.name for p in (root / KERNEL).parent.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("harm", ["typing", "missing", "link", "folder", "gone"])
def test_what_is_no_longer_the_candidate_is_left(root: Path, harm: str) -> None:
    space, _ = try_out(root)
    seed, path = space.put_blob(SEED), root / KERNEL
    path.write_bytes(FASTER + b"more\n") if harm == "typing" else path.unlink()
    if harm == "link":
        put(root, "precious", FASTER)
        path.symlink_to(root / "precious")
    elif harm == "folder":
        path.mkdir()
    elif harm == "gone":
        shutil.rmtree(path.parent)
    assert space.restore(KERNEL, FASTER, seed) == "left"
    if harm == "typing":
        assert path.read_bytes() == FASTER + b"more\n"
    if harm == "link":
        assert (root / "precious").read_bytes() == FASTER


def test_an_edit_between_look_and_swap_is_left(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space, _ = try_out(root)
    seed, like = space.put_blob(SEED), files._like

    def type_meanwhile(*words: object) -> None:
        like(*words)
        (root / KERNEL).write_bytes(b"typed\n")

    monkeypatch.setattr(files, "_like", type_meanwhile)
    assert space.restore(KERNEL, FASTER, seed) == "left"
    assert (root / KERNEL).read_bytes() == b"typed\n" and status(root) == [f" M {KERNEL}"]


def test_a_full_disk_leaves_the_candidate(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space, _ = try_out(root)
    seed = space.put_blob(SEED)

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(Refusal, match="could not be restored"):
        space.restore(KERNEL, FASTER, seed)
    assert (root / KERNEL).read_bytes() == FASTER and status(root) == [f" M {KERNEL}"]


# Ignoring


@pytest.mark.parametrize("text", [None, b"", b"# mine\n*.o", b"/results.tsv\n", b"\xff\n"])
def test_the_state_is_ignored_once(root: Path, text: bytes | None) -> None:
    path = root / ".git" / "info" / "exclude"
    if text is None:
        shutil.rmtree(path.parent)
    else:
        path.write_bytes(text)
    space = Workspace.open(root)
    space.ignore_state()
    first = path.read_bytes()
    space.ignore_state()
    assert path.read_bytes() == first and first.startswith(text or b"")
    put(root, "results.tsv", b"x")
    put(root, ".autoresearch/trials.jsonl", b"x")
    put(root, "a.o", b"x")
    assert status(root) == ([] if text and b"*.o" in text else ["?? a.o"])


def test_what_a_killed_restore_left_beside_the_file_goes_with_the_next_one(
    root: Path,
) -> None:
    """The child dies with its new text written and not yet in place."""
    space = Workspace.open(root)
    seed = space.put_blob(SEED)
    put(root, KERNEL, FASTER)
    if not (child := os.fork()):
        setattr(os, "replace", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))  # noqa: B010
        space.restore(KERNEL, FASTER, seed)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    mine = f".kernels.py.{os.getpid()}.0123abcd"  # of a living process
    put(root, f"targets/pq_l2/{mine}", b"")
    assert len(status(root)) == 3
    assert space.restore(KERNEL, FASTER, seed) == "restored"
    assert status(root) == [f"?? targets/pq_l2/{mine}"]
