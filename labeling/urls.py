"""Addresses of the labeling pages: `noun-verb` names, codes instead of ids."""

from django.urls import URLPattern, URLResolver, path

from labeling.views import home

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("styleguide/", home.styleguide, name="styleguide"),
]
