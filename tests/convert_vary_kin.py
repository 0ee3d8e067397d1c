# SPDX-License-Identifier: Apache-2.0
"""More families for convert_vary.py, as in convert_vary_models.py: those whose models are younger."""
from convert_vary_models import SMALL

LATENT = ('kv_lora_rank=16 q_lora_rank=24 qk_nope_head_dim=16 qk_rope_head_dim=8 v_head_dim=16 '
          'num_key_value_heads=4')
EPSILONS = 'rms_norm_eps=1e-05|1e-06|0.0003 tie_word_embeddings=true|false'

KIN = {
    'afmoe': (
        'AfmoeForCausalLM', 'afmoe', 'bpe', SMALL,
        'num_hidden_layers=4 num_key_value_heads=2 head_dim=16 moe_intermediate_size=32 num_experts=4 '
        'num_experts_per_tok=2 num_shared_experts=1 num_dense_layers=1 mup_enabled=true',
        EPSILONS + ' num_key_value_heads=1|4 head_dim=24|32 num_dense_layers=0|2 num_shared_experts=2|3 '
        'route_scale=2.5 global_attn_every_n_layers=2 sliding_window=64'),
    'apertus': (
        'ApertusForCausalLM', 'apertus', 'bpe', SMALL,
        'num_key_value_heads=2',
        EPSILONS + ' num_key_value_heads=1|4 attention_bias=true head_dim=24'),
    'arcee': (
        'ArceeForCausalLM', 'arcee', 'spm', SMALL,
        'num_key_value_heads=2 head_dim=16',
        EPSILONS + ' num_key_value_heads=1|4 head_dim=24|32 attention_bias=true mlp_bias=true'),
    'cohere2moe': (
        'Cohere2MoeForCausalLM', 'cohere2_moe', 'bpe', SMALL,
        'num_hidden_layers=4 num_key_value_heads=2 head_dim=16 num_experts=4 num_experts_per_tok=2 '
        'tie_word_embeddings=true',
        'num_key_value_heads=1|4 head_dim=24 num_shared_experts=0|1|2 logit_scale=1.0|0.25 '
        'expert_selection_fn="sigmoid" norm_topk_prob=false sliding_window=64'),
    'deepseek32': (
        'DeepseekV32ForCausalLM', 'deepseek_v32', 'bpe', SMALL,
        LATENT + ' num_hidden_layers=3 n_routed_experts=4 moe_intermediate_size=32 num_experts_per_tok=2 '
        'n_group=1 topk_group=1 first_k_dense_replace=1 index_topk=32 index_head_dim=16 index_n_heads=4',
        EPSILONS + ' n_shared_experts=2 routed_scaling_factor=1.0 index_n_heads=2 norm_topk_prob=false'),
    'dots1': (
        'Dots1ForCausalLM', 'dots1', 'bpe', SMALL,
        'num_hidden_layers=3 num_key_value_heads=2 head_dim=16 n_routed_experts=4 moe_intermediate_size=32 '
        'num_experts_per_tok=2 n_shared_experts=1 first_k_dense_replace=1',
        EPSILONS + ' n_shared_experts=2 head_dim=24 first_k_dense_replace=2 routed_scaling_factor=2.5 '
        'norm_topk_prob=true attention_bias=true num_key_value_heads=1|4'),
    'exaonemoe': (
        'ExaoneMoeForCausalLM', 'exaone_moe', 'bpe', SMALL,
        'num_hidden_layers=4 num_key_value_heads=2 head_dim=16 num_experts=4 moe_intermediate_size=32 '
        'num_experts_per_tok=2 num_shared_experts=1 first_k_dense_replace=1',
        EPSILONS + ' num_key_value_heads=1|4 head_dim=24 num_shared_experts=2 sliding_window=64 '
        'sliding_window_pattern=2 norm_topk_prob=false'),
    'glmdsa': (
        'GlmMoeDsaForCausalLM', 'glm_moe_dsa', 'glm', SMALL,
        LATENT + ' num_hidden_layers=3 n_routed_experts=4 moe_intermediate_size=32 num_experts_per_tok=2 '
        'first_k_dense_replace=1 index_topk=32 index_head_dim=16 index_n_heads=4',
        EPSILONS + ' n_shared_experts=2 routed_scaling_factor=1.0 index_n_heads=2'),
    'graniteswa': (
        'GraniteSWAForCausalLM', 'granite_swa', 'bpe', SMALL,
        'num_hidden_layers=4 num_key_value_heads=2',
        EPSILONS + ' attention_bias=true mlp_bias=true embedding_multiplier=12 logits_scaling=8 '
        'sliding_window=64 num_key_value_heads=1|4'),
    'granitemoeswa': (
        'GraniteMoeSWAForCausalLM', 'granitemoe_swa', 'bpe', SMALL,
        'num_hidden_layers=4 num_key_value_heads=2 num_local_experts=4',
        EPSILONS + ' shared_intermediate_size=48 embedding_multiplier=12 sliding_window=64'),
    'hyv3': (
        'HYV3ForCausalLM', 'hy_v3', 'bpe', SMALL,
        'num_hidden_layers=3 num_key_value_heads=2 head_dim=16 num_experts=4 num_experts_per_tok=2 '
        'moe_intermediate_size=32 first_k_dense_replace=1',
        EPSILONS + ' num_key_value_heads=1|4 head_dim=24 num_shared_experts=2 router_scaling_factor=1.5'),
    'jais2': (
        'Jais2ForCausalLM', 'jais2', 'bpe', SMALL,
        'num_key_value_heads=2 head_dim=16',
        'num_key_value_heads=1|4 head_dim=24 tie_word_embeddings=true layer_norm_eps=1e-06'),
    'lfm2moe': (
        'Lfm2MoeForCausalLM', 'lfm2_moe', 'bpe', SMALL,
        'num_hidden_layers=4 num_key_value_heads=2 num_experts=4 num_experts_per_tok=2 '
        'moe_intermediate_size=32 num_dense_layers=1 layer_types=["conv","full_attention","conv","conv"]',
        'num_key_value_heads=1|4 conv_L_cache=4 num_dense_layers=2 use_expert_bias=false norm_eps=1e-06'),
    'mellum': (
        'MellumForCausalLM', 'mellum', 'bpe', SMALL,
        'num_hidden_layers=4 num_key_value_heads=2 head_dim=16 num_local_experts=4 num_experts_per_tok=2 '
        'moe_intermediate_size=32',
        EPSILONS + ' num_key_value_heads=1|4 head_dim=24 attention_bias=true sliding_window=64'),
    'minicpm3': (
        'MiniCPM3ForCausalLM', 'minicpm3', 'spm', SMALL,
        LATENT,
        EPSILONS + ' scale_emb=8 scale_depth=1.0 dim_model_base=32'),
    'minimaxm2': (
        'MiniMaxM2ForCausalLM', 'minimax_m2', 'bpe', SMALL,
        'num_key_value_heads=2 head_dim=16 num_local_experts=4 num_experts_per_tok=2',
        EPSILONS + ' num_key_value_heads=1|4 head_dim=24 rotary_dim=8'),
    'ministral3': (
        'Ministral3ForCausalLM', 'ministral3', 'bpe', SMALL,
        'num_key_value_heads=2 head_dim=16',
        EPSILONS + ' num_key_value_heads=1|4 head_dim=24'),
    'nemotronh': (
        'NemotronHForCausalLM', 'nemotron_h', 'bpe', SMALL,
        'layers_block_type=["linear_attention","moe","full_attention","mlp"] num_key_value_heads=2 head_dim=16 '
        'mamba_num_heads=8 mamba_head_dim=16 ssm_state_size=16 n_groups=2 n_routed_experts=4 '
        'moe_intermediate_size=32 moe_shared_expert_intermediate_size=48 use_mamba_kernels=false',
        'num_key_value_heads=1|4 head_dim=24 n_groups=1 layer_norm_epsilon=1e-06 tie_word_embeddings=true '
        'routed_scaling_factor=2.5 n_shared_experts=2 '
        'layers_block_type=["linear_attention","mlp","full_attention","mlp"]'),
}
