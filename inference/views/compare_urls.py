from django.urls import path

from inference.views import compare, replies

urlpatterns = [
    path("compare/", compare.comparison_list, name="comparisons"),
    path("compare/new", compare.new_comparison, name="new_comparison"),
    path("compare/<int:pk>/", compare.comparison, name="comparison"),
    path("compare/<int:pk>/say", compare.say, name="say"),
    path("compare/<int:pk>/delete", compare.delete_comparison, name="delete_comparison"),
    path("compare/<int:pk>/turns/<int:turn_pk>/vote", compare.vote, name="vote"),
    path("compare/<int:pk>/turns/<int:turn_pk>/preference", compare.keep_preference, name="keep_preference"),
    path("compare/<int:pk>/turns/<int:turn_pk>/diff", compare.turn_diff, name="turn_diff"),
    path("compare/<int:pk>/replies/<int:reply_pk>/", replies.reply, name="reply"),
    path("compare/<int:pk>/replies/<int:reply_pk>/stream", replies.stream, name="reply_stream"),
    path("compare/<int:pk>/replies/<int:reply_pk>/stop", replies.stop, name="stop_reply"),
    path("compare/<int:pk>/replies/<int:reply_pk>/regenerate", replies.regenerate, name="regenerate"),
    path("compare/<int:pk>/replies/<int:reply_pk>/save", compare.save_answer, name="save_answer"),
]
