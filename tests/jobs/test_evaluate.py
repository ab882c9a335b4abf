import csv
import json
import math

import numpy as np
import pytest
from real_data import STEAM, needs_steam

from recommendation.evaluation.data import random_split
from recommendation.evaluation.peers import ease_fits
from recommendation_jobs import evaluate
from recommendation_jobs.evaluation.reading import Columns, read_csv

MEASURES = {
    "ndcg@10",
    "recall@20",
    "hit_rate@10",
    "mrr@10",
    "catalogue_coverage@10",
    "exposure_gini@10",
    "novelty@10",
}


def tastes(path, users: range, times: bool = False) -> None:
    """Even users play even games."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["who", "what", "much", "at"])
        rng = np.random.default_rng(1)
        for user in users:
            for game in rng.permutation(20)[:12]:
                writer.writerow([f"u{user}", f"g{2 * int(game) + user % 2}", 3, int(rng.integers(10**9))])


@pytest.fixture
def store(tmp_path):
    tastes(tmp_path / "store.csv", range(200))
    return tmp_path / "store.csv"


NAMES = ["--user-column", "who", "--game-column", "what", "--score-column", "much"]


def test_the_results_have_the_agreed_shape_and_the_model_beats_popularity(store, tmp_path) -> None:
    out = tmp_path / "out.json"
    assert evaluate.main(["--csv", str(store), *NAMES, "--components", "4", "--json", str(out)]) == 0
    results = json.loads(out.read_text())
    assert set(results) == {"model", "decision", "popularity", "peers", "intervals", "against"}
    assert set(results["model"]) == set(results["popularity"]) == MEASURES
    assert results["peers"] == {}
    assert results["model"]["ndcg@10"] > results["popularity"]["ndcg@10"]
    low, high = results["intervals"]["model"]
    assert low < results["model"]["ndcg@10"] < high
    found = results["against"]["popularity"]
    assert found["share"] == pytest.approx(results["model"]["ndcg@10"] / results["popularity"]["ndcg@10"] - 1)
    assert 0 < found["low"] < found["share"] < found["high"]


def test_what_was_tried_and_chosen_is_printed_and_a_number_is_meant_exactly(store, tmp_path, capsys) -> None:
    out = tmp_path / "out.json"
    given = ["--components", "4", "--min-interactions", "3", "--json", str(out)]
    assert evaluate.main(["--csv", str(store), *NAMES, *given]) == 0
    decision = json.loads(out.read_text())["decision"]
    assert (decision["chosen"]["components"], decision["chosen"]["min_interactions"]) == (4, 3)
    assert {one["step"] for one in decision["tried"]} == {"neighbours", "link_share", "ridge"}
    printed = capsys.readouterr().out
    assert "chosen on an inner holdout of 200 users: min_interactions 3, components 4, " in printed
    assert "tried ridge 30.0: ndcg@10 0." in printed


def test_a_number_that_no_setting_takes_is_refused(store, capsys) -> None:
    with pytest.raises(SystemExit):
        evaluate.main(["--csv", str(store), *NAMES, "--components", "1"])
    assert "should be auto, or a whole number from 2 to 4096" in capsys.readouterr().err


def test_two_runs_write_the_same(store, tmp_path) -> None:
    outs = [tmp_path / "a.json", tmp_path / "b.json"]
    for out in outs:
        evaluate.main(["--csv", str(store), *NAMES, "--seed", "5", "--json", str(out)])
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_a_temporal_split_can_be_asked_for(store, tmp_path) -> None:
    out = tmp_path / "out.json"
    arguments = ["--csv", str(store), *NAMES, "--time-column", "at", "--split", "temporal", "--json", str(out)]
    assert evaluate.main(arguments) == 0
    assert json.loads(out.read_text())["model"]["recall@20"] > 0


def test_rankings_of_a_given_split_leave_out_what_was_trained_on_and_serve_strangers(store, tmp_path) -> None:
    test, out = tmp_path / "test.csv", tmp_path / "rankings.csv"
    test.write_text("user_id,game_id\nu0,g39\nstranger,g2\n")
    train = tmp_path / "train.csv"
    train.write_text(store.read_text().replace("who,what,much,at", "user_id,game_id,score,at"))
    assert evaluate.main(["--train", str(train), "--test", str(test), "--rankings", str(out)]) == 0
    with out.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["user_id", "rank", "game_id"]
    lists = {user: [game for who, _, game in rows[1:] if who == user] for user in ("u0", "stranger")}
    own = set(read_csv(train, Columns()).games.ids(read_csv(train, Columns()).row(0)[0]))
    assert not own & set(lists["u0"])
    assert len(lists["stranger"]) == 20
    assert [int(rank) for who, rank, _ in rows[1:] if who == "u0"] == list(range(1, len(lists["u0"]) + 1))


def test_plots_are_drawn(store, tmp_path) -> None:
    assert evaluate.main(["--csv", str(store), *NAMES, "--plots", str(tmp_path / "plots")]) == 0
    drawn = sorted((tmp_path / "plots").iterdir())
    assert [path.name for path in drawn] == ["coverage.png", "list-length.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)


def test_the_report_is_one_page_with_all_figures_and_plots(store, tmp_path) -> None:
    out, report = tmp_path / "out.json", tmp_path / "report.html"
    asked = ["--csv", str(store), *NAMES, "--components", "4", "--sweep", "--json", str(out), "--report", str(report)]
    assert evaluate.main(asked) == 0
    page, results = report.read_text(), json.loads(out.read_text())
    for who in ("model", "popularity"):
        assert f"<th scope=row>{who}</th><td>{results[who]['ndcg@10']:.4f}</td>" in page
    assert f"{results['against']['popularity']['share']:+.1%}" in page
    assert page.count("src='data:image/png;base64,") == page.count("<img ") == 3
    assert "alt='Quality by length of the list, mean over 200 users'" in page
    assert "http" not in page
    assert "<th scope=row>ridge 30.0</th>" in page
    assert "Of each user with at least 5 pairs a fifth is held out, at random." in page


def test_by_time_holds_out_what_all_users_did_since_one_moment(store, tmp_path) -> None:
    out, rankings = tmp_path / "out.json", tmp_path / "rankings.csv"
    by_time = ["--csv", str(store), *NAMES, "--time-column", "at", "--by", "time"]
    assert evaluate.main([*by_time, "--json", str(out), "--rankings", str(rankings)]) == 0
    with store.open(newline="") as file:
        rows = list(csv.DictReader(file))
    times = sorted(int(row["at"]) for row in rows)
    moment = times[math.ceil(0.8 * (len(times) - 1))]
    earlier = {(row["who"], row["what"]) for row in rows if int(row["at"]) < moment}
    late = {row["who"] for row in rows if int(row["at"]) >= moment} & {who for who, _ in earlier}
    with rankings.open(newline="") as file:
        listed = [(row["user_id"], row["game_id"]) for row in csv.DictReader(file)]
    assert {user for user, _ in listed} == late
    assert not set(listed) & earlier
    assert json.loads(out.read_text())["model"]["ndcg@10"] > 0


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--csv", "a.csv", "--by", "time", "--split", "random"],
        ["--live", "--csv", "a.csv"],
        ["--database", "--csv", "a.csv"],
        ["--csv", "a.csv", "--k", "0"],
        ["--csv", "none.csv"],
        ["--train", "a.csv"],
        ["--csv", "a.csv", "--train", "b.csv", "--test", "c.csv"],
    ],
)
def test_unusable_arguments_are_refused_with_a_word(arguments, capsys) -> None:
    assert evaluate.main(arguments) == 42
    assert capsys.readouterr().err


def test_by_time_is_refused_where_times_do_not_tell(store, capsys) -> None:
    assert evaluate.main(["--csv", str(store), *NAMES, "--by", "time"]) == 42
    assert "--time-column" in capsys.readouterr().err


def test_a_store_in_which_no_user_has_enough_games_is_refused(tmp_path, capsys) -> None:
    path = tmp_path / "few.csv"
    path.write_text("user_id,game\nu,a\nv,b\n")
    assert evaluate.main(["--csv", str(path)]) == 42
    assert "at least 5 games" in capsys.readouterr().err


def test_ease_takes_part_in_peers_where_it_fits_in_memory(store, tmp_path) -> None:
    out = tmp_path / "out.json"
    assert evaluate.main(["--csv", str(store), *NAMES, "--components", "4", "--peers", "--json", str(out)]) == 0
    results = json.loads(out.read_text())
    for peer in ("ease", "rp3beta"):
        assert results["peers"][peer]["ndcg@10"] > results["popularity"]["ndcg@10"]
        assert results["against"][peer]["low"] < results["against"][peer]["high"]
    assert ease_fits(10_000, free_bytes=8 * 10**9)
    assert not ease_fits(20_000, free_bytes=8 * 10**9)


@needs_steam
def test_ndcg_on_real_play_hours_recomputed_from_the_written_rankings_reaches_the_bar(tmp_path) -> None:
    data = read_csv(STEAM, Columns())
    split = random_split(data, 11)
    files = {}
    for name, matrix in (("train", split.train), ("test", split.held_out)):
        files[name] = tmp_path / f"{name}.csv"
        with files[name].open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["user_id", "game", "hours"])
            users, games = matrix.users.ids(matrix.user_rows), matrix.games.ids(matrix.indices)
            writer.writerows(zip(users, games, matrix.scores.tolist(), strict=True))
    out = tmp_path / "rankings.csv"
    assert evaluate.main(["--train", str(files["train"]), "--test", str(files["test"]), "--rankings", str(out)]) == 0
    wanted: dict[str, set[str]] = {}
    for user, game in zip(
        split.held_out.users.ids(split.held_out.user_rows),
        split.held_out.games.ids(split.held_out.indices),
        strict=True,
    ):
        wanted.setdefault(user, set()).add(game)
    gains = dict.fromkeys(wanted, 0.0)
    with out.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if int(row["rank"]) <= 10 and row["game_id"] in wanted[row["user_id"]]:
                gains[row["user_id"]] += 1 / math.log2(int(row["rank"]) + 1)
    ideal = {
        user: sum(1 / math.log2(place + 2) for place in range(min(10, len(games)))) for user, games in wanted.items()
    }
    assert np.mean([gains[user] / ideal[user] for user in wanted]) >= 0.27
