"""A Ray cluster of several nodes inside this machine, whose workers and nodes die under jobs."""

import os
import signal
import time

import pytest

from autoresearch.errors import Refusal
from autoresearch.fleet import engine
from autoresearch.fleet.job import LOST, Done, Job, Parcel

pytest.importorskip("ray", reason="the extra [fleet] is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # Ray's own: sockets and processes it leaves to exit
]
PARCEL = Parcel("project", "commit", b"bundle")


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    os.environ.update(engine.NODES)
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(3):
        made.add_node(num_cpus=1, resources={engine.SLOT: 1})
    yield made
    made.shutdown()
    for name in engine.NODES:
        del os.environ[name]


def jobs(count: int) -> list[Job]:
    return [Job("run", turn, "trial", "toy") for turn in range(count)]


def doing(folder, dies=()):
    """A job that notes each attempt, and takes its worker along the first time if it `dies`."""

    def run(job: Job, parcel: Parcel) -> Done:
        tries = len(list(folder.glob(f"{job.turn}-*")))
        (folder / f"{job.turn}-{tries}").touch()
        if job.turn in dies and not tries:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.2)
        return Done(job, os.environ.get("RAY_NODE_ID", ""), parcel.project, 0)

    return run


def test_a_job_whose_worker_is_killed_is_sent_again(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(engine.post, "run", doing(tmp_path, dies=(1, 4)))
    with engine.cluster(cluster.address) as ray:
        found = list(engine.scatter(ray, jobs(6), PARCEL))
    assert sorted(done.job.turn for done in found) == list(range(6))
    assert {done.code for done in found} == {0}
    assert len(list(tmp_path.iterdir())) == 8


def test_every_node_gets_one_job_and_a_dead_one_is_told(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(engine.post, "run", doing(tmp_path))
    with engine.cluster(cluster.address) as ray:
        sent = list(zip(engine.nodes(ray), jobs(3), strict=True))
        assert {done.code for done in engine.placed(ray, sent, PARCEL)} == {0}
        victim = cluster.worker_nodes.copy().pop()
        dead = victim.node_id
        cluster.remove_node(victim)
        found = {done.job.turn: done.code for done in engine.placed(ray, sent, PARCEL)}
        assert dead not in engine.nodes(ray)
    assert found == {job.turn: LOST if node == dead else 0 for node, job in sent}


def test_a_cluster_without_slots_is_refused(monkeypatch):
    class Empty:
        @staticmethod
        def nodes():
            return [{"NodeID": "a", "Alive": True, "Resources": {"CPU": 4}}]

    with pytest.raises(Refusal, match="bench_slot"):
        list(engine.scatter(Empty, jobs(1), PARCEL))


def test_no_cluster_is_a_refusal():
    with pytest.raises(Refusal, match="No Ray cluster"), engine.cluster("127.0.0.1:1"):
        pass
