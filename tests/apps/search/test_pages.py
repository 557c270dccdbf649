"""The search page and the page of similar moments, as a browser without JavaScript gets them."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from apps.search.templatetags import search_pages
from tests.apps.people import user
from tests.apps.search.planted import plant

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def public(settings):
    settings.PUBLIC_SEARCH = True


def page(client, address: str, status: int = 200, **headers: str) -> str:
    response = client.get(address, headers=headers)
    assert response.status_code == status, response.content[:500]
    return response.content.decode()


def test_a_result_links_to_its_moments_and_carries_the_query(client, version):
    video = plant(version, "walk", [("car", 0.9), ("dog", 0.9)])
    shown = page(client, "/?q=dog")
    assert f'href="/videos/{video.id}?t=4&amp;q=dog"' in shown
    assert f'data-storyboard="/videos/{video.id}/storyboard.vtt"' in shown
    assert 'value="dog"' in shown


def test_nothing_on_a_page_needs_inline_script_or_style(client, version):
    video = plant(version, "walk", [("dog", 0.9)], subtitles=[(1.0, 2.0, "a dog")])
    for address in ("/", "/?q=dog", f"/videos/{video.id}?t=1&q=dog", f"/similar?video={video.id}&t=1"):
        shown = page(client, address)
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|<script(?![^>]*\ssrc=)", shown), address
        assert not re.search(r"""(?:src|href|action)="(?:https?:)?//""", shown), address


def test_show_more_works_as_a_link_and_as_a_fragment(client, version):
    for number in range(25):
        plant(version, f"walk {number}", [("dog", 0.9 - number / 100)])
    first = page(client, "/?q=dog")
    more = re.search(r'<a class="button" href="([^"]+)"[^>]*data-more', first)
    assert more is not None
    address = more[1].replace("&amp;", "&")
    assert "q=dog" in address
    whole, fragment = page(client, address), page(client, address, **{"HX-Target": "more-20"})
    for text in (whole, fragment):
        assert text.count('class="card result"') == 5
    assert "<html" in whole
    assert "<html" not in fragment
    titles = re.findall(r"walk \d+(?=</a>\s*</h3>)", first + fragment)
    assert sorted(titles) == sorted(f"walk {number}" for number in range(25))


def test_an_expired_page_says_how_to_go_on_also_inside_a_fragment(client, version):
    for headers in ({}, {"HX-Target": "more-20"}):
        shown = page(client, "/?q=dog&cursor=nonsense", status=410, **headers)
        assert 'role="alert"' in shown
        assert 'href="/?q=dog"' in shown


def test_a_filter_that_cannot_be_used_is_named(client, version):
    assert "min_duration must be a number" in page(client, "/?q=dog&min_duration=long", status=400)


def test_each_filter_can_be_taken_away_alone(client, version):
    shown = page(client, "/?q=dog&min_duration=5&tag=park&tag=day")
    without = {address.replace("&amp;", "&") for address in re.findall(r'class="chip on" href="([^"]+)"', shown)}
    assert without == {
        "/?q=dog&tag=park&tag=day",
        "/?q=dog&min_duration=5&tag=day",
        "/?q=dog&min_duration=5&tag=park",
    }


def test_when_filters_remove_everything_the_page_says_which(client, version):
    plant(version, "walk", [("dog", 0.9)])
    shown = page(client, "/?q=dog&min_duration=999")
    assert "minimum duration: 1 video" in shown
    assert 'href="/?q=dog">Search without filters' in shown


def test_an_empty_query_shows_the_newest_videos_and_examples(client, version):
    plant(version, "an old walk", [("dog", 0.9)])
    for address in ("/", "/?q=", "/?q=%20%20"):
        shown = page(client, address)
        assert "an old walk" in shown
        assert "Try:" in shown


def test_an_empty_library_says_how_to_fill_it(client, db):
    assert "manage.py import" in page(client, "/")
    client.force_login(user("Uploaders"))
    assert reverse("videos:upload") in page(client, "/?q=dog")


def test_a_library_that_is_indexed_says_how_far_it_is(client, version):
    plant(version, "walk", [("dog", 0.9)], state="uploaded")
    assert "0 of 1 videos can be found" in page(client, "/?q=dog")


@pytest.mark.parametrize(
    "query", ["🐕", "一只狗", "the of and", "-dog", '"', "%00", "x" * 6000, "<script>alert(1)</script>"]
)
def test_odd_queries_are_answered(client, version, query):
    plant(version, "walk", [("dog", 0.9)])
    response = client.get("/", {"q": query})
    assert response.status_code == 200
    assert b"<script>alert" not in response.content


def test_without_offers_a_link_that_leaves_out_and_keeps_the_filters(client, version):
    plant(version, "cake", [("dog", 0.9)])
    plant(version, "cake with candles", [("dog", 0.9)])
    shown = page(client, "/?q=cake+without+candles&min_duration=5")
    offered = re.search(r'<a href="([^"]+)">cake -candles</a>', shown)
    assert offered is not None
    answer = page(client, offered[1].replace("&amp;", "&"))
    assert "cake with candles" not in answer
    assert 'value="5"' in answer
    assert "To leave out" not in answer


def test_similar_moments_leave_out_the_moment_itself_and_refuse_unknown_videos(client, version):
    video = plant(version, "walk", [("dog", 0.9), ("car", 0.9)])
    other = plant(version, "park", [("dog", 0.8)])
    shown = page(client, f"/similar?video={video.id}&t=1")
    assert f"/videos/{other.id}?t=0" in shown
    page(client, "/similar?video=nonsense", status=404)
    assert "t must be a number" in page(client, f"/similar?video={video.id}&t=late", status=400)


def test_strangers_are_sent_to_the_login_when_search_is_not_public(client, settings, db):
    settings.PUBLIC_SEARCH = False
    response = client.get("/?q=dog")
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login?next=/%3Fq%3Ddog")


@pytest.mark.parametrize(("has_gpu", "hub_id"), [(True, search_pages.FOR_GPU), (False, search_pages.FOR_CPU)])
def test_the_bundled_model_names_a_better_one_for_this_device(client, version, monkeypatch, tmp_path, has_gpu, hub_id):
    sign = tmp_path / "nvidia0"
    if has_gpu:
        sign.touch()
    monkeypatch.setattr(search_pages, "GPU_SIGNS", (sign,))
    version.name = "bundled"
    version.save()
    assert f"manage.py model install {hub_id}" in page(client, "/")
    version.name = "somebody/large"
    version.save()
    shown = page(client, "/")
    assert "model install" not in shown
    assert "somebody/large" in shown
