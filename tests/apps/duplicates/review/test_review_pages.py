from __future__ import annotations

import re

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import reverse

from apps.duplicates.groups.rebuild import groups_rebuild
from apps.duplicates.models import DuplicateGroup, ReviewDecision
from tests.apps.duplicates.rows import found, groups, ids, make_version, make_video, match, span

pytestmark = pytest.mark.django_db


@pytest.fixture
def trio():
    version = make_version()
    videos = [make_video(name, duration=30.0) for name in ("alpha", "beta", "gamma")]
    a, b, c = videos
    match(version, b, found(c))
    match(version, a, found(b, segments=[span((12, 20), (3, 11))]), found(c))
    groups_rebuild()
    return videos


@pytest.fixture
def group(trio):
    return groups()[ids(*trio)]


@pytest.fixture
def reviewer(client):
    user = get_user_model().objects.create_user("rita", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=["change_duplicategroup", "view_duplicategroup"]))
    client.force_login(user)
    return user


def review_url(group):
    return reverse("admin:duplicates_duplicategroup_review", args=[group.id])


def members(videos):
    return [str(v.id) for v in videos]


def test_the_admin_list_shows_open_groups_first_with_filters(client, reviewer, group):
    page = client.get(reverse("admin:duplicates_duplicategroup_changelist")).content.decode()
    assert "alpha" in page
    assert "?state__exact=open" in page
    assert "?kind__exact=copies" in page


def test_the_admin_page_shows_the_evidence_with_links_into_the_player(client, reviewer, trio, group):
    page = client.get(reverse("admin:duplicates_duplicategroup_change", args=[group.id])).content.decode()
    for video in trio:
        assert f"/videos/{video.id}/poster.jpg" in page
    assert f'/videos/{trio[0].id}?t=12">0:12-0:20<' in page
    assert f'/videos/{trio[1].id}?t=3">0:03-0:11<' in page
    assert "are the same video, re-encoded or edited" in page
    assert "<svg" in page
    assert "No file is deleted" in page
    assert "Suggested to keep" in page


def test_pages_carry_no_inline_script_or_style(client, reviewer, group):
    addresses = [
        reverse("admin:duplicates_duplicategroup_change", args=[group.id]),
        reverse("duplicates:group", args=[group.id]),
        reverse("duplicates:review"),
        reverse("duplicates:find"),
    ]
    for address in addresses:
        page = client.get(address).content.decode()
        assert not re.search(r"<style|\sstyle=|\son\w+=\"|<script(?![^>]*\ssrc=)", page), address


def test_the_admin_buttons_decide_and_name_the_reviewer(client, reviewer, trio, group):
    keep = {"action": "keep", "keeper": str(trio[1].id), "member": members(trio), "note": "sharper"}
    answer = client.post(review_url(group), keep, follow=True)
    group.refresh_from_db()
    assert (group.state, group.keeper, group.reviewer) == ("confirmed", trio[1], reviewer)
    assert "No file is deleted" in answer.content.decode()
    assert {d.note for d in ReviewDecision.objects.all()} == {"sharper"}

    undo = ReviewDecision.objects.first()
    client.post(review_url(group), {"action": "undo", "decision": undo.pk})
    group.refresh_from_db()
    assert (group.state, group.keeper) == ("open", None)

    client.post(review_url(group), {"action": "dismiss", "member": members(trio)})
    group.refresh_from_db()
    assert group.state == "dismissed"
    assert ReviewDecision.objects.count() == 9


def test_one_pair_of_a_group_can_be_dismissed(client, reviewer, trio, group):
    form = {"action": "dismiss_pair", "first": str(trio[0].id), "second": str(trio[2].id)}
    client.post(review_url(group), form)
    assert groups()[ids(trio[0], trio[2])].state == "dismissed"


def test_a_group_that_changed_meanwhile_is_not_decided(client, reviewer, trio, group):
    answer = client.post(review_url(group), {"action": "confirm", "member": members(trio[:2])}, follow=True)
    assert "has changed since you opened it" in answer.content.decode()
    assert not ReviewDecision.objects.exists()


def test_bulk_actions_of_the_list(client, reviewer, group):
    address = reverse("admin:duplicates_duplicategroup_changelist")
    client.post(address, {"action": "dismiss_selected", "_selected_action": [str(group.id)]})
    group.refresh_from_db()
    assert group.state == "dismissed"
    client.post(address, {"action": "keep_suggested", "_selected_action": [str(group.id)]})
    group.refresh_from_db()
    assert (group.state, group.keeper) == ("confirmed", group.proposed_keeper)


def test_who_may_only_look_cannot_decide(client, trio, group):
    user = get_user_model().objects.create_user("vera", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_duplicategroup"))
    client.force_login(user)
    page = client.get(reverse("admin:duplicates_duplicategroup_change", args=[group.id]))
    assert page.status_code == 200
    assert "Not duplicates</button>" not in page.content.decode()
    assert client.post(review_url(group), {"action": "dismiss"}).status_code == 403
    assert client.get(reverse("duplicates:review")).status_code == 403
    assert not ReviewDecision.objects.exists()


def test_decisions_and_matches_are_read_only_in_the_admin(admin_client, trio, group):
    assert admin_client.get(reverse("admin:duplicates_reviewdecision_add")).status_code == 403
    assert admin_client.get(reverse("admin:duplicates_reviewdecision_changelist")).status_code == 200
    row = group.weakest_match
    page = admin_client.get(reverse("admin:duplicates_videomatch_change", args=[row.id])).content.decode()
    assert "?t=" in page
    assert admin_client.post(reverse("admin:duplicates_videomatch_delete", args=[row.id])).status_code == 403
    assert admin_client.get(reverse("admin:duplicates_lookup_changelist")).status_code == 200


def test_the_review_pages_list_decide_and_come_back(client, reviewer, trio, group):
    assert "alpha" in client.get(reverse("duplicates:review")).content.decode()
    address = reverse("duplicates:group", args=[group.id])
    assert client.get(address).status_code == 200
    answer = client.post(address, {"action": "dismiss", "member": members(trio)})
    assert answer.url == address
    assert "alpha" not in client.get(reverse("duplicates:review")).content.decode()
    assert "alpha" in client.get(reverse("duplicates:review") + "?state=dismissed").content.decode()


def test_anonymous_visitors_are_sent_to_the_login(client, group):
    assert client.get(reverse("duplicates:review")).status_code == 302
    assert client.post(reverse("duplicates:group", args=[group.id]), {"action": "dismiss"}).status_code == 302
    assert DuplicateGroup.objects.get().state == "open"
